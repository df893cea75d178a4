# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""The parts of a message, as `bmsd mime` prints them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tempfile
import unittest
import zipfile
from email.message import EmailMessage
from pathlib import Path

BMSD = os.environ.get("BMSD", ".build/release/bmsd")


def archive(*names: str) -> bytes:
    """A zip with these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as members:
        for name in names:
            members.writestr(name, "x" * 100)
    return out.getvalue()


def mail(content: bytes, name: str) -> bytes:
    """A text with an attachment, as Python writes it."""
    mail = EmailMessage()
    mail["Subject"] = "Invoice"
    mail.set_content("It is attached.")
    mail.add_attachment(content, maintype="application", subtype="zip", filename=name)
    return mail.as_bytes()


class Parts(unittest.TestCase):
    """The command without a daemon or an environment, under a configuration of its own."""

    def mime(
        self, message: bytes, *options: str, configuration: str = "[defang]\n"
    ) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "bms.conf"
            file.write_text(configuration)
            done = subprocess.run(
                [BMSD, "mime", "-", "--config", file, *options], input=message, env={},
                capture_output=True, timeout=60)
        self.assertEqual(done.stderr, b"")
        return done.returncode, done.stdout.decode()

    def parts(self, message: bytes) -> tuple[int, list[dict[str, object]]]:
        status, text = self.mime(message, "--json")
        return status, [json.loads(line) for line in text.splitlines()]

    def test_names_in_archives_without_a_locale(self) -> None:
        """Fault 27: names that the C locale cannot show."""
        status, parts = self.parts(mail(archive("Grüße.exe", "ф/名.txt"), "Rechnung für März.zip"))
        self.assertEqual(status, 1)
        self.assertEqual([part["part"] for part in parts], ["0", "1", "2"])
        self.assertEqual(parts[2]["members"], ["Grüße.exe", "ф/名.txt"])
        names = [(name["name"], name["from"]) for name in parts[2]["names"]]  # type: ignore
        self.assertIn(("Rechnung für März.zip", "Content-Disposition filename"), names)
        self.assertEqual(parts[2]["encoding"], "base64")
        self.assertEqual(parts[2]["dangers"], ["Grüße.exe in the archive: .exe is banned"])

    def test_nothing_dangerous(self) -> None:
        content = archive("a.txt")
        status, parts = self.parts(mail(content, "a.zip"))
        self.assertEqual(status, 0)
        self.assertEqual(parts[2]["decoded"], len(content))
        self.assertEqual([part["dangers"] for part in parts], [[], [], []])
        self.assertEqual([part["findings"] for part in parts], [[], [], []])

    def test_readings_and_findings_for_people(self) -> None:
        status, text = self.mime(
            b"Content-Type: multipart/mixed; boundary=a\nContent-Type: text/plain\n\n"
            b"--a\nContent-Type: a/b; name=x.exe\n\n1\n")
        self.assertEqual(status, 1)
        self.assertIn("another reading: content-types", text)
        self.assertIn("  missing end\n", text)
        self.assertIn("DANGEROUS: x.exe (Content-Type name): .exe is banned", text)

    def test_judges_by_the_configuration(self) -> None:
        message = mail(archive("a.exe", "b.doc"), "a.zip")
        for options, status, dangers in [
            ("", 1, ["a.exe in the archive: .exe is banned"]),
            ("banned_exts = doc\n", 1, ["b.doc in the archive: .doc is banned"]),
            ("banned_exts = default, -exe\n", 0, []),
            ("scan_archives = no\n", 0, []),
        ]:
            with self.subTest(options):
                found, text = self.mime(
                    message, "--json", configuration=f"[defang]\n{options}")
                self.assertEqual(found, status)
                self.assertEqual(json.loads(text.splitlines()[2])["dangers"], dangers)

    def test_faults_of_the_configuration(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "bms.conf"
            for content, fault in [
                (None, b"cannot be read"),
                ("[defang]\nbanned_extz = exe\n", b"bms.conf:2: "),
                ("[defang]\nbanned_exts =\n", b":2: defang.banned_exts: no extension is banned"),
            ]:
                with self.subTest(content):
                    if content is not None:
                        file.write_text(content)
                    done = subprocess.run(
                        [BMSD, "mime", "-", "--config", file], input=b"\n", env={},
                        capture_output=True, timeout=60)
                    self.assertEqual(done.returncode, 78)
                    self.assertEqual(done.stdout, b"")
                    self.assertIn(fault, done.stderr)

    @unittest.skipIf(os.path.exists("/etc/mail/bms.conf"), "this machine has a configuration")
    def test_says_that_it_judges_by_defaults(self) -> None:
        done = subprocess.run(
            [BMSD, "mime", "-"], input=mail(archive("a.exe"), "a.zip"), env={},
            capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/etc/mail/bms.conf: cannot be read", done.stderr)
        self.assertIn(b"judged by the defaults", done.stderr)

    def test_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "message"
            file.write_bytes(mail(b"x", "a.txt"))
            done = subprocess.run([BMSD, "mime", file], env={}, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.assertEqual(done.stdout.split()[:5],
                             [b"PART", b"BYTES", b"DECODED", b"ENCODING", b"TYPE"])
            done = subprocess.run([BMSD, "mime", folder], env={}, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 66)
            self.assertIn(b"bmsd: ", done.stderr)
