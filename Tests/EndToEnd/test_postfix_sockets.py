# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""How Postfix and bmsd meet and part: sockets, chroot, an unpacked Postfix, bmsd's end."""

from __future__ import annotations

import grp
import os
import unittest

from support import PostfixTestCase, message
from mta import SMTPConversation

NUMERIC = "HELO name must not be a bare IP address"


def refusal_code(client: SMTPConversation) -> int:
    """The code that MAIL or RCPT is refused by."""
    reply = client.mail("ann@example.com")
    return (reply if reply.code >= 400 else client.rcpt("bob@example.org")).code


class Sockets(PostfixTestCase):
    """The ways Postfix and bmsd can meet."""

    def check(self) -> None:
        self.assert_refused(self.refused_recipient(self.client(helo="192.0.2.7")), NUMERIC)
        self.assert_delivers(self.client(), "met")

    def unix_options(self) -> dict[str, str]:
        """Group postfix where it exists; else the socket must be open to all."""
        try:
            grp.getgrnam("postfix")
        except KeyError:
            return {"socket_mode": "0666"}
        return {"socket_mode": "0660", "socket_group": "postfix"}

    def test_unix(self) -> None:
        daemon = self.start_daemon(f"unix:{self.folder}/bms.sock", **self.unix_options())
        self.start_postfix(daemon.postfix_milter)
        self.check()

    def test_inet(self) -> None:
        self.start()
        self.check()

    def test_chroot(self) -> None:
        self.start_postfix("unix:bms/bms.sock", chroot=True)
        (self.postfix.queue / "bms").mkdir(mode=0o755)
        self.start_daemon(f"unix:{self.postfix.queue}/bms/bms.sock", **self.unix_options())
        self.check()
        self.postfix.submit("root@example.org", "bob@example.org", b"Subject: jailed\n\nHello\n")
        self.sink.wait_for("jailed")

    def test_chroot_with_inet(self) -> None:
        daemon = self.start_daemon()
        self.start_postfix(daemon.postfix_milter, chroot=True)
        self.check()

    def test_a_socket_closed_to_postfix_defers(self) -> None:
        daemon = self.start_daemon(f"unix:{self.folder}/bms.sock", socket_mode="0600")
        self.assertEqual(os.stat(f"{self.folder}/bms.sock").st_mode & 0o777, 0o600)
        self.start_postfix(daemon.postfix_milter)
        with SMTPConversation(self.postfix.smtp_port) as client:
            client.ehlo("mx.example.com")
            self.assertEqual(refusal_code(client), 451)


class Endings(PostfixTestCase):
    """bmsd ends, and no mail is lost and none slips through."""

    def test_terminated_in_the_middle_of_a_message(self) -> None:
        """Fault 5: what is under way finishes."""
        self.start()
        client = self.client()
        self.assert_accepted(client.mail("ann@example.com"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assertEqual(client.command("DATA").code, 354)
        head, tail = message("drained")[:50], message("drained")[50:]
        client.send(head)
        self.daemon.terminate()
        client.send(tail)
        self.assert_accepted(client.finish())
        self.assertTrue(self.sink.wait_for("drained")[0].data.endswith(message("drained")))
        client.quit()
        self.assertEqual(self.daemon.wait(), 0)

    def test_gone_defers(self) -> None:
        self.start()
        self.assert_delivers(self.client(), "before")
        self.daemon.stop()
        with SMTPConversation(self.postfix.smtp_port) as client:
            client.ehlo("mx.example.com")
            self.assertEqual(refusal_code(client), 451)

    def test_back_again(self) -> None:
        self.start()
        self.daemon.stop()
        self.daemon.start()
        self.assert_delivers(self.client(), "again")


class Reloads(PostfixTestCase):
    """A new configuration holds for new connections, a broken one for none."""

    def test_connections_keep_what_they_began_with(self) -> None:
        self.start({"helo": {"mode": "off"}})
        old = self.client(helo="192.0.2.7")
        self.daemon.reload(settings={"helo": {"mode": "enforce"}})
        self.assert_refused(self.refused_recipient(self.client(helo="192.0.2.7")), NUMERIC)
        self.assert_delivers(old, "old-rules")

    def test_a_broken_file_changes_nothing(self) -> None:
        self.start()
        self.daemon.reload("[helo]\nmoed = off\n")
        self.assertTrue(self.daemon.lines("reload refused"))
        self.assert_refused(self.refused_recipient(self.client(helo="192.0.2.7")), NUMERIC)
        self.assert_delivers(self.client(), "as-before")


class Unpacked(PostfixTestCase):
    """The same with Debian's Postfix unpacked beside whatever is installed."""

    unpacked = True

    def test_unpacked(self) -> None:
        self.start()
        self.assert_refused(self.refused_recipient(self.client(helo="192.0.2.7")), NUMERIC)
        self.assert_delivers(self.client(), "unpacked")
        self.postfix.submit("root@example.org", "bob@example.org", b"Subject: by-hand\n\nHello\n")
        self.sink.wait_for("by-hand")

    def test_unpacked_chroot(self) -> None:
        self.start_postfix("unix:bms/bms.sock", chroot=True)
        (self.postfix.queue / "bms").mkdir(mode=0o755)
        self.start_daemon(f"unix:{self.postfix.queue}/bms/bms.sock", socket_mode="0666")
        self.assert_refused(self.refused_recipient(self.client(helo="192.0.2.7")), NUMERIC)
        self.assert_delivers(self.client(), "jailed")


if __name__ == "__main__":
    unittest.main()
