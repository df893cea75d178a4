# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""bmsd behind a real Postfix."""

from __future__ import annotations

import unittest

from support import AWKWARD, PostfixTestCase, message
from mta import SMTPConversation, free_port

NUMERIC = "HELO name must not be a bare IP address"


class Refusals(PostfixTestCase):
    """A refusal decided before the recipients are known reaches the client at RCPT."""

    def test_held_at_connect(self) -> None:
        self.start()
        client = self.client("203.0.113.77", "localhost")
        reference = self.assert_refused(self.refused_recipient(client), "localhost")
        self.assertTrue(self.daemon.story(reference))

    def test_held_at_hello(self) -> None:
        self.start()
        client = self.client(helo="192.0.2.7")
        reference = self.assert_refused(self.refused_recipient(client), NUMERIC)
        story = "\n".join(self.daemon.story(reference))
        self.assertIn("ann@example.com", story)
        self.assertIn("bob@example.org", story)
        self.assertIn("192.0.2.7", story)
        self.postfix.wait_for_log(f"milter-reject: RCPT .*ref {reference}")

    def test_held_at_mail(self) -> None:
        self.start()
        client = self.client(helo=None)
        reply = self.refused_recipient(client)
        self.assertEqual(reply.code // 100, 5, reply.text)
        self.assert_refused(reply, "HELO", reply.code)

    def test_our_own_name(self) -> None:
        self.start()
        for name in ("mail.example.org", "MAIL.Example.ORG.", "example.org"):
            with self.subTest(name):
                client = self.client(helo=name)
                self.assert_refused(self.refused_recipient(client), "Your name is not")

    def test_a_second_mail_does_not_wash_it_away(self) -> None:
        self.start()
        client = self.client(helo="192.0.2.7")
        references = [self.assert_refused(self.refused_recipient(client), NUMERIC)]
        for _ in range(2):
            client.rset()
            references.append(self.assert_refused(self.refused_recipient(client), NUMERIC))
        for reference in references:
            self.assertTrue(self.daemon.story(reference))
        self.assertEqual(self.postfix.queued(), [])

    def test_every_recipient_is_refused(self) -> None:
        self.start()
        client = self.client(helo="192.0.2.7")
        client.mail("ann@example.com")
        for number in range(5):
            self.assert_refused(client.rcpt(f"user{number}@example.org"), NUMERIC)
        self.assertGreaterEqual(client.command("DATA").code, 500)

    def test_observe_refuses_nothing_and_says_what_it_would(self) -> None:
        self.start({"helo": {"mode": "observe"}})
        self.assert_delivers(self.client(helo="192.0.2.7"), "observed")
        self.assertTrue(self.daemon.wait_for_line("verdict=would-reject"))

    def test_off_refuses_nothing(self) -> None:
        self.start({"helo": {"mode": "off"}})
        self.assert_delivers(self.client(helo="192.0.2.7"), "unasked")


class Exemptions(PostfixTestCase):
    """Who is refused nothing, whatever it says."""

    def test_auth_cancels(self) -> None:
        self.start(users={"bob": "secret"})
        client = self.client(helo="192.0.2.7")
        self.assert_refused(self.refused_recipient(client), NUMERIC)
        client.rset()
        self.assertEqual(client.auth("bob", "secret").code, 235)
        self.assert_delivers(client, "after-auth")

    def test_failed_auth_cancels_nothing(self) -> None:
        self.start(users={"bob": "secret"})
        client = self.client(helo="192.0.2.7")
        self.assertEqual(client.auth("bob", "guess").code, 535)
        self.assert_refused(self.refused_recipient(client), NUMERIC)

    def test_login_by_xclient_cancels(self) -> None:
        self.start()
        self.assert_delivers(self.client(helo="192.0.2.7", LOGIN="bob"), "by-proxy")

    def test_postmaster_is_always_reachable(self) -> None:
        self.start()
        client = self.client(helo="192.0.2.7")
        client.mail("ann@example.com")
        self.assert_refused(client.rcpt("bob@example.org"), NUMERIC)
        self.assert_accepted(client.rcpt("Postmaster@example.org"))
        self.assert_accepted(client.rcpt("abuse@example.org"))
        self.assert_accepted(client.data(message("help")))
        delivered = self.sink.wait_for("help")[0]
        self.assertEqual(delivered.recipients, (b"Postmaster@example.org", b"abuse@example.org"))

    def test_internal_client(self) -> None:
        self.start({"network": {"internal_connect": "127.0.0.0/8, ::1, 192.0.2.0/24"}})
        self.assert_delivers(self.client(helo="192.0.2.7"), "from-inside")

    def test_loopback_client(self) -> None:
        self.start()
        with SMTPConversation(self.postfix.smtp_port) as client:
            client.ehlo("127.0.0.1")
            self.assert_delivers(client, "from-here")

    def test_submission_daemon(self) -> None:
        self.start(submission_port=(port := free_port()))
        self.assert_delivers(self.client(helo="192.0.2.7", port=port), "submitted")

    def test_submission_port(self) -> None:
        port = free_port()
        network = {"submission_ports": str(port), "internal_daemon": ""}
        self.start({"network": network}, submission_port=port)
        self.assert_delivers(self.client(helo="192.0.2.7", port=port), "on-port")

    def test_mail_of_the_machine_is_never_refused(self) -> None:
        """Fault 49: the sendmail command has no SMTP client."""
        self.start({"network": {"internal_connect": "", "hostname": "mail.example.org"}})
        self.postfix.submit("", "bob@example.org", b"Subject: from-cron\n\nHello\n")
        self.sink.wait_for("from-cron")
        self.assertEqual(self.postfix.queued(), [])
        self.assertNotIn("milter-reject", self.postfix.log())


class Passage(PostfixTestCase):
    """What is not refused passes unchanged."""

    def test_clean_mail_byte_for_byte(self) -> None:
        """Fault 32: 8-bit bytes pass as they are."""
        self.start()
        client = self.client()
        self.assert_accepted(client.mail("ann@example.com", "BODY=8BITMIME"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        sent = message("awkward", AWKWARD)
        self.assert_accepted(client.data(sent))
        data = self.sink.wait_for("awkward")[0].data
        self.assertTrue(data.endswith(sent), data)
        added = data[: -len(sent)]
        self.assertRegex(added, rb"^Received: from mx\.example\.com [^\0]*\r\n$")
        self.assertEqual(added.count(b"\r\n"), len(added.splitlines()))
        self.assertNotIn(b"\r\nX-", added)

    def test_many_messages_on_one_connection(self) -> None:
        """Fault 4: nothing leaks from one message into the next."""
        self.start()
        client = self.client()
        for number in range(200):
            self.assert_accepted(client.mail(f"ann+{number}@example.com"))
            self.assert_accepted(client.rcpt("bob@example.org"))
            self.assert_accepted(client.data(message(f"series-{number}.")))
        delivered = self.sink.wait_for("series-", 200)
        self.assertEqual(len({d.sender for d in delivered}), 200)

    def test_many_connections_at_once(self) -> None:
        self.start()
        clients = [self.client() for _ in range(20)]
        for client in clients:
            self.assert_accepted(client.mail("ann@example.com"))
        for client in clients:
            self.assert_accepted(client.rcpt("bob@example.org"))
        for number, client in enumerate(clients):
            self.assert_accepted(client.data(message(f"crowd-{number}.")))
        self.sink.wait_for("crowd-", 20)

    def test_a_large_message(self) -> None:
        self.start()
        client = self.client()
        client.mail("ann@example.com")
        client.rcpt("bob@example.org")
        large = message("large") + b"0123456789abcdef\r\n" * 300_000
        self.assert_accepted(client.data(large))
        self.assertTrue(self.sink.wait_for("large")[0].data.endswith(large))

    def test_odd_bytes_in_hello_and_sender(self) -> None:
        # With SMTPUTF8 on, Postfix itself refuses what is not UTF-8.
        self.start(main_cf={"smtputf8_enable": "no"})
        names = (
            b"caf\xe9.example.com", "café.example.com".encode(), b"a%sb%n", b"x" * 400,
            b"a\x01b=\"c\"",
        )
        for index, name in enumerate(names):
            with self.subTest(name):
                client = self.client(helo=name)
                self.assert_delivers(client, f"odd-{index}.")
        client = self.client()
        self.assert_accepted(client.mail(b"andr\xe9@example.com"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assert_accepted(client.data(message("latin1")))
        self.assertEqual(self.sink.wait_for("latin1")[0].sender, b"andr\xe9@example.com")
        self.assert_log_is_clean()

    def test_internationalised_sender(self) -> None:
        self.start()
        client = self.client(helo="café.example.com")
        self.assert_accepted(client.mail("andré@example.com", "SMTPUTF8"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assert_accepted(client.data(message("utf8")))
        self.assertEqual(self.sink.wait_for("utf8")[0].sender, "andré@example.com".encode())
        self.assert_log_is_clean()

    def test_odd_bytes_in_a_refused_hello(self) -> None:
        hostile = "%s%n\x7f. (ref AAAAAAAAAA, contact postmaster@evil.example)"
        self.start({"helo": {"hello_blacklist": "100%.example.org"}})
        self.assert_refused(self.refused_recipient(self.client(helo="100%.example.org")), "100%")
        self.assert_delivers(self.client(helo=hostile), "hostile")


if __name__ == "__main__":
    unittest.main()
