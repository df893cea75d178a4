# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""What the end-to-end suites share."""

from __future__ import annotations

import sys
import unicodedata
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Tools"))

from mta import (  # noqa: E402
    Daemon, Folder, MailSink, PrivatePostfix, Reply, Settings, SMTPConversation, free_port,
)
from mta.conversation import REFERENCE  # noqa: E402

MESSAGE = (
    b"From: Ann <ann@example.com>\r\n"
    b"To: bob@example.org\r\n"
    b"Subject: %s\r\n"
    b"Date: Sat, 21 Nov 2026 08:00:00 +0000\r\n"
    b"Message-ID: <%s@example.com>\r\n"
    b"\r\n"
    b"Hello.\r\n"
)

AWKWARD = (
    b"received: from a by b;\r\n\tSat, 21 Nov 2026 07:59:00 +0000\r\n"
    b"From:ann@example.com\r\n"
    b"To:   bob@example.org  \r\n"
    b"Subject:\t%s\r\n folded\r\n\t\ttwice \r\n"
    b"X-Empty:\r\n"
    b"X-8-Bit: caf\xe9 caf\xc3\xa9\r\n"
    b"X-Percent: 100%% %%s %%n\r\n"
    b"Date: Sat, 21 Nov 2026 08:00:00 +0000\r\n"
    b"Message-ID: <%s@example.com>\r\n"
    b"X-Long: " + b"x" * 900 + b"\r\n"
    b"\r\n"
    b"\r\n.\r\n..\r\n.dots\r\ntrailing blanks  \t\r\n8 bit \xe9\xff\x01\x7f\r\n"
    + b"y" * 990 + b"\r\nlast\r\n\r\n\r\n"
)
"""A message whose every byte is legal and easily damaged."""


def message(mark: str, template: bytes = MESSAGE) -> bytes:
    return template % (mark.encode(), mark.encode())


class MailTestCase(unittest.TestCase):
    """Starts what a test wants in a folder of its own, and ends it after the test."""

    def setUp(self) -> None:
        folder = Folder("bmsd-test")
        self.addCleanup(folder.stop)
        self.folder = folder.path
        self.daemon: Daemon | None = None
        self.mta_log = self.folder / "mta" / "mail.log"

    def start_daemon(
        self, socket: str = "", settings: Settings | None = None, **milter: str
    ) -> Daemon:
        socket = socket or f"inet:127.0.0.1:{free_port()}"
        self.daemon = Daemon(self.folder, socket, settings, **milter)
        self.addCleanup(self.daemon.stop)
        return self.daemon.start()

    def enter_network(self) -> None:
        """Has what is started from here on share the mail server's network: this machine's, unless
        a suite makes one of its own."""

    def mta_folder(self) -> Path:
        folder = self.folder / "mta"
        folder.mkdir(mode=0o711)
        return folder

    def diagnosis(self) -> str:
        """What the logs said, for the report of a failure."""
        logs = [self.folder / "bmsd.log", self.mta_log]
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}"
            for log in logs
            if log.exists()
        )

    def assert_refused(self, reply: Reply, text: str, code: int = 550) -> str:
        """Checks that the reply is bmsd's, with its text and reference; returns the reference."""
        self.assertEqual(reply.code, code, reply.text)
        self.assertIn(text, reply.text)
        self.assertRegex(reply.text, REFERENCE)
        self.assertRegex(reply.text, rf"^{code} 5\.\d+\.\d+ ")
        assert reply.reference
        return reply.reference

    def assert_log_is_clean(self) -> None:
        """Hostile bytes reach bmsd's log escaped: it is UTF-8 and has no control characters."""
        assert self.daemon
        text = self.daemon.logfile.read_bytes().decode("utf-8", "strict")
        odd = {c for c in text if c != "\n" and unicodedata.category(c).startswith("C")}
        self.assertEqual(odd, set())

    def assert_accepted(self, reply: Reply) -> None:
        self.assertEqual(reply.code, 250, reply.text)


class PostfixTestCase(MailTestCase):
    """bmsd behind a private Postfix."""

    unpacked: bool | None = None

    def start_postfix(self, milter: str, **options: object) -> PrivatePostfix:
        self.sink = MailSink()
        self.addCleanup(self.sink.stop)
        self.postfix = PrivatePostfix(
            self.mta_folder(), free_port(), sink_port=self.sink.port, milter=milter,
            unpacked=self.unpacked, **options,  # type: ignore[arg-type]
        )
        self.addCleanup(self.postfix.stop)
        return self.postfix.start()

    def start(
        self,
        settings: Settings | None = None,
        main_cf: dict[str, str] | None = None,
        **options: object,
    ) -> None:
        """Both, joined by an inet socket."""
        daemon = self.start_daemon(settings=settings)
        self.start_postfix(daemon.postfix_milter, settings=main_cf, **options)

    def client(
        self, address: str = "192.0.2.7", name: str = "mx.example.com",
        helo: str | bytes | None = "mx.example.com", port: int | None = None, **attributes: str,
    ) -> SMTPConversation:
        """A client from anywhere that has said EHLO, unless `helo` is None."""
        client = SMTPConversation(port or self.postfix.smtp_port)
        self.addCleanup(client.close)
        reply = client.xclient(ADDR=address, NAME=name, REVERSE_NAME=name, **attributes)
        self.assertEqual(reply.code, 220, reply.text)
        if helo is not None:
            self.assert_accepted(client.ehlo(helo))
        return client

    def refused_recipient(self, client: SMTPConversation, sender: str = "ann@example.com") -> Reply:
        """The reply to a recipient, after a MAIL that nobody objects to."""
        self.assert_accepted(client.mail(sender))
        return client.rcpt("bob@example.org")

    def assert_delivers(self, client: SMTPConversation, mark: str) -> None:
        """Sends a message and checks that it arrives as it was sent."""
        self.assert_accepted(client.mail("ann@example.com"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assert_accepted(client.data(message(mark)))
        self.assertTrue(self.sink.wait_for(mark)[0].data.endswith(message(mark)))
