# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Attachments behind real mail servers: what is dangerous is replaced, the rest stays as it was."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import unittest

import dkim

from mta import Delivery, NameServer, Reply, Settings
from test_memory import PostfixMemory, SendmailMemory
from test_sender import ZONE

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

    def begin_with_release(self) -> None:
        """The release comes from this machine: outgoing mail is looked through here, too."""
        self.begin({"defang": {"mode": "enforce", "direction": "any"}})
        assert self.daemon
        self.daemon.reload(settings={"submit": {"smtp": f"127.0.0.1@{self.port()}"}})

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

    def test_release_brings_the_original_past_the_filter(self) -> None:
        self.begin_with_release()
        message = three("release", PICTURE, PROGRAM, SHEET)
        self.assert_accepted(self.post(message))
        self.sink.wait_for("release")
        kept = json.loads(self.bmsd("quarantine", "list", "--json").splitlines()[0])
        reference = kept["ref"]
        self.assertIn("setup.exe", self.bmsd("quarantine", "show", reference))
        folder = self.folder / "saved"
        folder.mkdir()
        self.bmsd("quarantine", "save", reference, "--part", "3", str(folder))
        saved = list(folder.iterdir())
        self.assertEqual([path.name for path in saved], [f"{reference}-3-setup.exe"])
        self.assertEqual(saved[0].read_bytes(), b"MZ" + bytes(5000))
        self.bmsd("quarantine", "release", reference, "--reason", "she asked for it")
        first, second = self.sink.wait_for("release", 2)
        self.assertNotEqual(first.body, second.body)
        self.assertEqual(second.body, message.partition(b"\r\n\r\n")[2])
        self.assertEqual(second.recipients, (b"bob@example.org",))
        self.assertEqual(second.sender, b"ann@example.com")
        self.assertEqual(second.fields("X-BMS-Release"), [])
        self.bmsd_says("explain", reference, shows="she asked for it")
        self.bmsd_says("log", shows=f"released {reference} as original by root (uid 0): she asked")

    def test_a_token_counts_once_and_for_its_message(self) -> None:
        self.begin_with_release()
        self.assert_accepted(self.post(three("token", PROGRAM)))
        kept = json.loads(self.bmsd("quarantine", "list", "--json").splitlines()[0])
        # A stranger who makes one up, with a reference that is real.
        forged = f"X-BMS-Release: {kept['ref']} 1 2 3 4 5\r\n".encode()
        self.assert_accepted(self.post(forged + three("forged", PROGRAM)))
        delivery = self.sink.wait_for("forged")[0]
        self.assertEqual(delivery.fields("X-BMS-Release"), [])
        self.assertNotIn(b"TVoA", delivery.body)

    def test_what_cannot_be_kept_is_deferred(self) -> None:
        """Nothing is lost while something is wrong with the quarantine's folder."""
        self.begin(DEFANG)
        folder = self.folder / "quarantine"
        shutil.rmtree(folder)
        folder.write_text("in the way")
        reply = self.post(three("deferred", PROGRAM))
        self.assertEqual(reply.code, 451, reply.text)
        self.assertEqual(self.sink.find("deferred"), [])
        self.assert_accepted(self.post(three("harmless", PICTURE)))
        folder.unlink()
        folder.mkdir()
        self.assert_accepted(self.post(three("again", PROGRAM)))
        self.assertIn("again", self.bmsd("quarantine", "list", "--json"))

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

    def test_originals_that_begin_oddly_are_released(self) -> None:
        """A first line that looks like that of an mbox, or has a space before its colon."""
        self.begin_with_release()
        for number, first in enumerate((b"From : Ann <ann@example.com>", b">From : x", b"X-Odd : 1")):
            mark = f"odd{number}"
            message = first + b"\r\n" + three(mark, PROGRAM)
            self.assert_accepted(self.post(message))
            self.sink.wait_for(mark)
            kept = json.loads(self.bmsd("quarantine", "list", "--json").splitlines()[0])
            self.bmsd("quarantine", "release", kept["ref"])
            delivery = self.sink.wait_for(mark, 2)[1]
            self.assertEqual(delivery.body, message.partition(b"\r\n\r\n")[2])
            self.assertEqual(delivery.fields("X-BMS-Release"), [])

    def test_an_original_that_is_gone(self) -> None:
        """What is left of it can be forgotten."""
        self.begin_with_release()
        self.assert_accepted(self.post(three("gone", PROGRAM)))
        reference = json.loads(self.bmsd("quarantine", "list", "--json").splitlines()[0])["ref"]
        shutil.rmtree(self.folder / "quarantine")
        self.assertRegex(self.bmsd("quarantine", "list"), rf"{reference} .* missing ")
        for words in (("show", reference), ("release", reference), ("delete", reference)):
            told = self.bmsd("quarantine", *words, status=66 if words[0] == "release" else 0)
            self.assertIn(f"the folder {self.folder}/quarantine is not there", told)
        self.assertEqual(self.bmsd("quarantine", "list"), "")

    def sign(self, mark: str) -> bytes:
        """A message that openssl signed, with a picture and a program under the signature."""
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        if not key.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                 "-out", certificate, "-subj", "/CN=Ann/emailAddress=ann@example.com"],
                check=True, capture_output=True)
        # Of the message only what has to do with MIME is signed.
        content = b"Content-Type: " + three(mark, PICTURE, PROGRAM).partition(b"Content-Type: ")[2]
        signed = subprocess.run(
            ["openssl", "smime", "-sign", "-binary", "-signer", certificate, "-inkey", key,
             "-crlfeol"], input=content, check=True, capture_output=True).stdout
        head = (f"From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: {mark}\r\n"
                f"Message-ID: <{mark}@example.com>\r\n")
        # It writes its own lines with LF, which is none on the way.
        return head.encode() + re.sub(rb"\r?\n", b"\r\n", signed)

    def verifies(self, data: bytes) -> bool:
        """Whether openssl says that the signature fits what is signed."""
        return subprocess.run(
            ["openssl", "smime", "-verify", "-binary", "-noverify"], input=data,
            capture_output=True).returncode == 0

    def test_signed_mail_is_kept_as_it_is_if_wanted(self) -> None:
        self.begin({"defang": {"mode": "enforce", "signed": "keep"}})
        message = self.sign("kept")
        self.assertTrue(self.verifies(message))
        self.assert_accepted(self.post(message))
        delivery = self.sink.wait_for("kept")[0]
        self.assertEqual(delivery.body, message.partition(b"\r\n\r\n")[2])
        self.assertTrue(self.verifies(delivery.data))
        self.assertIn(b"setup.exe", b" ".join(delivery.fields("X-BMS-Attachment")))

    def test_signed_mail_is_cut_like_any_other(self) -> None:
        self.begin({"defang": {"mode": "enforce", "signed": "defang"}})
        message = self.sign("cut")
        self.assertTrue(self.verifies(message))
        self.assert_accepted(self.post(message))
        delivery = self.sink.wait_for("cut")[0]
        before, after = message.split(b"--=_odd  boundary"), parts_of(delivery)
        self.assertEqual(len(after), len(before))
        self.assertEqual(after[2], before[2])
        self.assertNotIn(b"TVoA", delivery.body)
        self.assertFalse(self.verifies(delivery.data))

    def test_a_sender_that_spf_proves_is_skipped(self) -> None:
        """Who only says so is not."""
        self.enter_network()
        dns = NameServer(self.folder, ZONE)
        self.addCleanup(dns.stop)
        dns.start()
        self.begin(
            {"dns": {"servers": dns.server}, "spf": {"mode": "observe"},
             "defang": {"mode": "enforce", "skip_from": "@example.com, @forged.example"}})
        message = three("proved", PICTURE, PROGRAM)
        self.assert_accepted(self.post(message))
        delivery = self.sink.wait_for("proved")[0]
        self.assertEqual(delivery.body, message.partition(b"\r\n\r\n")[2])
        self.bmsd_says("explain", "proved@example.com", shows="the sender is in skip_from")
        self.assert_accepted(self.post(three("forged", PICTURE, PROGRAM), "ann@forged.example"))
        self.assertNotIn(b"TVoA", self.sink.wait_for("forged")[0].body)

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
    def port(self) -> int:
        return self.postfix.smtp_port


class SendmailAttachments(Attachments, SendmailMemory):
    def port(self) -> int:
        return self.sendmail.smtp_port


del PostfixMemory, SendmailMemory


if __name__ == "__main__":
    unittest.main()
