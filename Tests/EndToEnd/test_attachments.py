# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Attachments behind real mail servers: what is dangerous is replaced, the rest stays as it was."""

from __future__ import annotations

import base64
import subprocess
import unittest

import dkim

from mta import Delivery, Reply, Settings
from test_memory import PostfixMemory, SendmailMemory

DEFANG: Settings = {"defang": {"mode": "enforce"}}


def part(kind: str, name: str, content: bytes) -> bytes:
    """An attachment in base64; its lines are of odd lengths, as no encoder writes them anew."""
    encoded = base64.b64encode(content)
    lines = [encoded[at:at + 60] for at in range(0, len(encoded), 60)]
    return (
        f'Content-Type: {kind};\r\n\tname="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
    ).encode() + b"\r\n".join(lines) + b"\r\n"


PICTURE = part("image/png", "overview (2).png", bytes(range(256)) * 20)
SHEET = part("application/pdf", "report.pdf", b"%PDF-1.7 " + bytes(range(255, -1, -1)) * 33)
PROGRAM = part("application/octet-stream", "setup.exe", b"MZ" + bytes(5000))


def three(mark: str, *parts: bytes) -> bytes:
    """A message with a text and these attachments.

    Nothing in it that Sendmail itself would mend: white space behind a delimiter, eight-bit text."""
    head = (
        f"From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: {mark}\r\n"
        f"Message-ID: <{mark}@example.com>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed;\r\n boundary="=_odd  boundary"\r\n\r\n'
        "For programs of old.\r\n"
    ).encode()
    delimiter = b"--=_odd  boundary"
    text = b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello  \r\n.dot\r\nFrom me\r\n"
    body = b"".join(delimiter + b"\r\n" + one for one in (text, *parts))
    return head + body + delimiter + b"--\r\nThe end.\r\n"


def parts_of(delivery: Delivery) -> list[bytes]:
    """What stands between the delimiters, the preamble first."""
    return delivery.body.split(b"--=_odd  boundary")


class Attachments:
    """The same for every mail server."""

    def post(self, data: bytes, sender: str = "ann@example.com") -> Reply:
        client = self.visitor("mx.example.com")
        self.assert_accepted(client.mail(sender))
        self.assert_accepted(client.rcpt("bob@example.org"))
        return client.data(data)

    def test_one_of_three_is_replaced(self) -> None:
        self.begin(DEFANG)
        message = three("three", PICTURE, PROGRAM, SHEET)
        self.assert_accepted(self.post(message))
        delivery = self.sink.wait_for("three")[0]
        before = message.partition(b"\r\n\r\n")[2].split(b"--=_odd  boundary")
        after = parts_of(delivery)
        self.assertEqual(len(after), len(before))
        for at in (0, 1, 2, 4, 5):
            self.assertEqual(after[at], before[at], at)
        self.assertNotEqual(after[3], before[3])
        self.assertIn(b"setup.exe (application/octet-stream, 5002 bytes): files ending in .exe",
                      after[3].replace(b"=\r\n", b""))
        self.assertEqual(delivery.fields("Subject"), [b"three"])
        self.bmsd_says("explain", "three@example.com", shows="replaced setup.exe: .exe")

    def test_a_message_that_is_the_attachment_itself(self) -> None:
        self.begin(DEFANG)
        head = b"From: Ann <ann@example.com>\r\nSubject: bare\r\nMessage-ID: <bare@example.com>\r\n"
        self.assert_accepted(self.post(head + PROGRAM))
        delivery = self.sink.wait_for("bare")[0]
        self.assertEqual(delivery.fields("Content-Type"), [b"text/plain; charset=utf-8"])
        self.assertEqual(delivery.fields("Content-Transfer-Encoding"), [b"quoted-printable"])
        self.assertEqual(delivery.fields("Content-Disposition"), [b"inline"])
        self.assertIn(b"setup.exe", delivery.body)
        self.assertNotIn(b"TVoA", delivery.body)

    def test_refused(self) -> None:
        self.begin({"defang": {"mode": "enforce", "action": "reject"}})
        self.assert_refused(
            self.post(three("refused", PROGRAM)),
            "Attachments of this kind are not accepted here: setup.exe: .exe")
        self.assertEqual(self.sink.find("refused"), [])

    def test_a_signature_holds_behind_the_filter(self) -> None:
        """An untouched message is untouched: another's DKIM signature verifies."""
        self.begin(DEFANG, {"auth_results": {"mode": "enforce"}})
        key = subprocess.run(
            ["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
        public = subprocess.run(
            ["openssl", "rsa", "-pubout", "-outform", "DER"], input=key, check=True,
            capture_output=True).stdout
        record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
        for number, canon in enumerate(((b"simple", b"simple"), (b"relaxed", b"relaxed"))):
            message = three(f"signed{number}", PICTURE, SHEET)
            signature = dkim.sign(
                message, b"s", b"example.com", key, canonicalize=canon,
                include_headers=[b"from", b"to", b"subject", b"content-type"])
            self.assert_accepted(self.post(signature + message))
            delivery = self.sink.wait_for(f"signed{number}")[0]
            self.assertTrue(
                dkim.verify(delivery.data, dnsfunc=lambda name, timeout=5: record), canon)
            self.assertEqual(delivery.body, message.partition(b"\r\n\r\n")[2])


class PostfixAttachments(Attachments, PostfixMemory):
    pass


class SendmailAttachments(Attachments, SendmailMemory):
    pass


del PostfixMemory, SendmailMemory


if __name__ == "__main__":
    unittest.main()
