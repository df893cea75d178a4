# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""bmsd behind a real Sendmail, in a network where clients come from 192.0.2.0/24."""

from __future__ import annotations

import os
import unittest

from support import AWKWARD, MailTestCase, message
from mta import (
    Folder, MailSink, PrivateNetwork, PrivateSendmail, Reply, Settings, SMTPConversation, free_port,
)

NUMERIC = "HELO name must not be a bare IP address"
FORGER = "192.0.2.66"
"""Its reverse name is localhost, and localhost has its address: Sendmail believes it."""
STRANGER = "192.0.2.7"
NAMES = {FORGER: "localhost", STRANGER: "mx.example.com"}


class SendmailTestCase(MailTestCase):
    """bmsd behind a private Sendmail."""

    network: PrivateNetwork | None = None

    def enter_network(self) -> None:
        if self.network:
            return
        self.network = PrivateNetwork("192.0.2.0/24")
        self.addCleanup(self.network.close)
        inside = self.network.entered()
        inside.__enter__()
        self.addCleanup(inside.__exit__, None, None, None)

    def start(
        self, settings: Settings | None = None, socket: str = "", printed: bool = False,
        **milter: str,
    ) -> None:
        """With `printed` Sendmail gets the lines that `bmsd config mta` prints for it."""
        self.enter_network()
        daemon = self.start_daemon(socket, settings, **milter)
        self.sink = MailSink()
        self.addCleanup(self.sink.stop)
        said = daemon.command("config", "mta").stdout.partition("\n\n")[2]
        self.sendmail = PrivateSendmail(
            self.mta_folder(), free_port(), sink_port=self.sink.port,
            milter=daemon.sendmail_milter, hosts=NAMES, macros=said if printed else None,
        )
        self.addCleanup(self.sendmail.stop)
        self.sendmail.start()

    def client(
        self, address: str = STRANGER, helo: str | bytes | None = "mx.example.com"
    ) -> SMTPConversation:
        client = SMTPConversation(self.sendmail.smtp_port, source=address)
        self.addCleanup(client.close)
        self.assertEqual(client.greeting.code, 220)
        if helo is not None:
            self.assert_accepted(client.ehlo(helo))
        return client

    def refused_recipient(self, client: SMTPConversation) -> Reply:
        self.assert_accepted(client.mail("ann@example.com"))
        return client.rcpt("bob@example.org")

    def assert_delivers(
        self, client: SMTPConversation, mark: str, sender: str | bytes = "ann@example.com"
    ) -> None:
        self.assert_accepted(client.mail(sender))
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assert_accepted(client.data(message(mark)))
        delivered = self.sink.wait_for(mark)[0]
        self.assertEqual(delivered.body, b"Hello.\r\n")


class Refusals(SendmailTestCase):
    """A refusal decided before the recipients are known reaches the client at RCPT."""

    def test_held_at_connect(self) -> None:
        self.start()
        reference = self.assert_refused(self.refused_recipient(self.client(FORGER)), "localhost")
        self.assertTrue(self.daemon.story(reference))

    def test_held_at_hello(self) -> None:
        self.start()
        reply = self.refused_recipient(self.client(helo=STRANGER))
        reference = self.assert_refused(reply, NUMERIC)
        story = "\n".join(self.daemon.story(reference))
        self.assertIn("ann@example.com", story)
        self.assertIn("bob@example.org", story)
        self.sendmail.wait_for_log(f"milter=bms, .*reject=.*ref {reference}")

    def test_held_at_mail(self) -> None:
        self.start()
        reply = self.refused_recipient(self.client(helo=None))
        self.assertEqual(reply.code // 100, 5, reply.text)
        self.assert_refused(reply, "HELO", reply.code)

    def test_a_second_mail_does_not_wash_it_away(self) -> None:
        self.start()
        client = self.client(helo=STRANGER)
        for _ in range(3):
            reference = self.assert_refused(self.refused_recipient(client), NUMERIC)
            self.assertTrue(self.daemon.story(reference))
            client.rset()

    def test_observe_refuses_nothing(self) -> None:
        self.start({"helo": {"mode": "observe"}})
        self.assert_delivers(self.client(helo=STRANGER), "observed")
        self.assertTrue(self.daemon.wait_for_line("verdict=would-reject"))

    def test_percent_in_the_text(self) -> None:
        """Fault 29: Sendmail drops a text with a single percent sign."""
        self.start({"network": {"contact": "post%s%master@example.org"}})
        reply = self.refused_recipient(self.client(helo=STRANGER))
        self.assertIn(NUMERIC, reply.text)
        self.assertIn("contact post%s%master@example.org)", reply.text)


class Exemptions(SendmailTestCase):
    """Who is refused nothing, whatever it says."""

    def test_postmaster_is_always_reachable(self) -> None:
        self.start()
        client = self.client(helo=STRANGER)
        client.mail("ann@example.com")
        self.assert_refused(client.rcpt("bob@example.org"), NUMERIC)
        self.assert_accepted(client.rcpt("postmaster@example.org"))
        self.assert_accepted(client.data(message("help")))
        self.assertEqual(self.sink.wait_for("help")[0].recipients, (b"postmaster@example.org",))

    def test_loopback_client(self) -> None:
        self.start()
        self.assert_delivers(self.client("127.0.0.1", helo="127.0.0.1"), "from-here")

    def test_internal_client(self) -> None:
        self.start({"network": {"internal_connect": "127.0.0.0/8, ::1, 192.0.2.0/24"}})
        self.assert_delivers(self.client(helo=STRANGER), "from-inside")


class Passage(SendmailTestCase):
    """What is not refused passes; Sendmail itself sorts the header."""

    def test_body_byte_for_byte(self) -> None:
        self.start()
        client = self.client()
        sent = message("awkward", AWKWARD)
        self.assert_accepted(client.mail("ann@example.com", "BODY=8BITMIME"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assert_accepted(client.data(sent))
        delivered = self.sink.wait_for("awkward")[0]
        self.assertEqual(delivered.body, sent.partition(b"\r\n\r\n")[2])
        self.assertEqual(delivered.fields("X-8-Bit"), [b"caf\xe9 caf\xc3\xa9"])
        self.assertEqual(delivered.fields("X-Percent"), [b"100% %s %n"])
        self.assertEqual(delivered.fields("X-Empty"), [b""])

    def test_many_messages_on_one_connection(self) -> None:
        """Fault 4: nothing leaks from one message into the next."""
        self.start()
        client = self.client()
        for number in range(20):
            self.assert_accepted(client.mail(f"ann+{number}@example.com"))
            self.assert_accepted(client.rcpt("bob@example.org"))
            self.assert_accepted(client.data(message(f"series-{number}.")))
        self.assertEqual(len({d.sender for d in self.sink.wait_for("series-", 20)}), 20)

    def test_odd_bytes_in_hello_and_sender(self) -> None:
        # Sendmail itself refuses HELO names with other characters.
        self.start()
        for index, name in enumerate((b"x" * 200, b"[IPv6:2001:db8::1]", b"a_b.example.com")):
            with self.subTest(name):
                client = self.client(helo=name)
                self.assert_delivers(client, f"odd-{index}.", b"andr\xe9%s@example.com")
        self.assert_log_is_clean()


class Sockets(SendmailTestCase):
    """The other way for Sendmail and bmsd to meet."""

    def test_unix(self) -> None:
        # Sendmail refuses a socket below a folder that all may write to, as /tmp is.
        place = Folder("bmsd-test", "/run")
        self.addCleanup(place.stop)
        self.start(socket=f"unix:{place.path}/bms.sock", socket_mode="0660")
        self.assert_refused(self.refused_recipient(self.client(helo=STRANGER)), NUMERIC)
        self.assert_delivers(self.client(), "met")

    def test_as_printed_and_installed(self) -> None:
        """By the lines of `bmsd config mta`, in a folder as the package makes it."""
        place = Folder("bmsd-test", "/run")
        self.addCleanup(place.stop)
        folder = place.path / "bms"
        folder.mkdir()
        # Another user's and another group's.
        os.chown(folder, 1, 2)
        folder.chmod(0o2750)
        self.start(socket=f"unix:{folder}/bms.sock", printed=True)
        self.assertEqual(os.stat(folder / "bms.sock").st_gid, 2)
        self.assert_refused(self.refused_recipient(self.client(helo=STRANGER)), NUMERIC)
        self.assert_delivers(self.client(), "met")


class Endings(SendmailTestCase):
    """bmsd ends, and no mail is lost and none slips through."""

    def test_terminated_in_the_middle_of_a_message(self) -> None:
        """Fault 5: what is under way finishes."""
        self.start()
        client = self.client()
        self.assert_accepted(client.mail("ann@example.com"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assertEqual(client.command("DATA").code, 354)
        self.daemon.terminate()
        client.begin(message("drained"))
        self.assert_accepted(client.finish())
        self.sink.wait_for("drained")
        client.quit()
        self.assertEqual(self.daemon.wait(), 0)

    def test_gone_defers(self) -> None:
        self.start()
        self.assert_delivers(self.client(), "before")
        self.daemon.stop()
        client = SMTPConversation(self.sendmail.smtp_port, source=STRANGER)
        self.addCleanup(client.close)
        for step in (
            lambda: client.greeting,
            lambda: client.ehlo("mx.example.com"),
            lambda: client.mail("ann@example.com"),
            lambda: client.rcpt("bob@example.org"),
        ):
            if (reply := step()).code >= 400:
                break
        self.assertEqual(reply.code // 100, 4, reply.text)


if __name__ == "__main__":
    unittest.main()
