# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""`make install` and `make uninstall`: what goes where, what stays, and whether it is well-formed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from mta import PROJECT, executable

INSTALLED = {
    "/sbin/bmsd": 0o755,
    "/share/man/man8/bmsd.8": 0o644,
    "/share/man/man5/bms.conf.5": 0o644,
    "/share/doc/bmsd/examples/bms.conf": 0o644,
    "/share/doc/bmsd/examples/attachment.txt": 0o644,
    "/share/bash-completion/completions/bmsd": 0o644,
    "/share/zsh/site-functions/_bmsd": 0o644,
    "/lib/systemd/system/bmsd.service": 0o644,
    "/lib/systemd/system/bmsd.socket": 0o644,
    "/lib/sysusers.d/bms.conf": 0o644,
    "/lib/tmpfiles.d/bms.conf": 0o644,
}
"""Below PREFIX."""

README = (PROJECT / "README.md").read_text()

CONFIGURATION = {"/etc/mail/bms.conf": 0o640, "/etc/mail/m4/bms.m4": 0o644}

EXPOSURE = 1.3
"""What `systemd-analyze security` may say at most; it counts from 0 to 10."""


def make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--silent", "-C", str(PROJECT), *words, f"BMSD={executable()}"],
        capture_output=True, text=True, timeout=120,
    )


def tree(root: Path) -> dict[str, int]:
    """The files below, with their modes."""
    return {
        f"/{path.relative_to(root)}": path.stat().st_mode & 0o7777
        for path in root.rglob("*") if path.is_file()
    }


class InstallTestCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bmsd-install.")
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def make(self, target: str, prefix: str = "/usr", *words: str) -> str:
        result = make(target, f"DESTDIR={self.root}", f"PREFIX={prefix}", *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def said(self, *words: str, status: int = 0) -> str:
        """What a command says, standard output and errors together."""
        result = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
            env={**os.environ, "LC_ALL": "C", "PAGER": "cat", "SYSTEMD_PAGER": ""},
        )
        self.assertEqual(result.returncode, status, result.stdout)
        return result.stdout


class Install(InstallTestCase):
    def test_puts_everything_in_place_and_takes_it_away(self) -> None:
        for prefix in ("/usr", "/usr/local"):
            with self.subTest(prefix):
                self.make("install", prefix)
                expected = {f"{prefix}{path}": mode for path, mode in INSTALLED.items()}
                self.assertEqual(tree(self.root), {**expected, **CONFIGURATION})
                unit = (self.root / f"{prefix}/lib/systemd/system/bmsd.service".lstrip("/")).read_text()
                self.assertEqual(
                    set(re.findall(r"\S+/sbin/bmsd", unit)),
                    {f"ExecStart={prefix}/sbin/bmsd", f"ExecReload={prefix}/sbin/bmsd"},
                )
                self.make("uninstall", prefix)
                self.assertEqual(tree(self.root), CONFIGURATION)

    def test_below_another_prefix(self) -> None:
        """The README's line: systemd finds its files, and the unit finds the program."""
        line = re.search(r"make install PREFIX=(\S+) (.*)\\\n +(.*)\n", README)
        assert line
        words = f"{line[2]} {line[3]}".split()
        self.make("install", line[1], *words)
        files = tree(self.root)
        for path in ("systemd/system/bmsd.service", "systemd/system/bmsd.socket",
                     "sysusers.d/bms.conf", "tmpfiles.d/bms.conf"):
            self.assertIn(f"/etc/{path}", files)
        unit = (self.root / "etc/systemd/system/bmsd.service").read_text()
        self.assertIn(f"ExecStart={line[1]}/sbin/bmsd run", unit)
        self.make("uninstall", line[1], *words)
        self.assertEqual(tree(self.root), CONFIGURATION)

    def test_completes_values(self) -> None:
        self.make("install")
        script = (self.root / "usr/share/bash-completion/completions/bmsd").read_text()
        for word in ("helo.reject_numeric", "quarantine", "banned_ips"):
            self.assertIn(word, script)

    def test_configuration_is_put_in_place_once(self) -> None:
        self.make("install")
        for path in CONFIGURATION:
            (self.root / path.lstrip("/")).write_text("mine\n")
        said = self.make("install")
        for path in CONFIGURATION:
            self.assertIn(f"{path} stays as it is", said)
            self.assertEqual((self.root / path.lstrip("/")).read_text(), "mine\n")

    def test_says_that_nothing_is_built(self) -> None:
        result = subprocess.run(
            ["make", "-C", str(PROJECT), "install", f"DESTDIR={self.root}", "BMSD=/nonexistent"],
            capture_output=True, text=True,
        )
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("run make build", result.stderr)
        self.assertEqual(tree(self.root), {})


class Shipped(InstallTestCase):
    def test_the_unit_is_hardened(self) -> None:
        unit = str(PROJECT / "systemd" / "bmsd.service")
        said = self.said("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
        found = re.search(r"Overall exposure level for bmsd.service: ([\d.]+)", said)
        assert found, said
        self.assertLessEqual(float(found[1]), EXPOSURE, said)

    def test_manual_pages_are_well_formed(self) -> None:
        for page in ("bmsd.8", "bms.conf.5"):
            path = str(PROJECT / "man" / page)
            self.assertEqual(self.said("mandoc", "-T", "lint", "-W", "warning", path), "")
            self.assertEqual(self.said("groff", "-mdoc", "-Tutf8", "-ww", "-z", path), "")

    def test_completions_are_well_formed(self) -> None:
        self.make("install")
        share = self.root / "usr" / "share"
        self.said("bash", "-n", str(share / "bash-completion/completions/bmsd"))
        zsh = share / "zsh/site-functions/_bmsd"
        self.assertTrue(zsh.read_text().startswith("#compdef bmsd\n"))
        if shutil.which("zsh"):
            self.said("zsh", "-n", str(zsh))

    def test_bash_completes(self) -> None:
        self.make("install")
        script = """
            source "$1/usr/share/bash-completion/completions/bmsd"
            COMP_LINE='bmsd greylist p' COMP_POINT=15 COMP_TYPE=9 COMP_KEY=9
            COMP_WORDS=(bmsd greylist p) COMP_CWORD=2
            eval "$(complete -p bmsd | sed -E 's/.*-F ([^ ]+) .*/\\1/') bmsd p greylist"
            echo "${COMPREPLY[@]}"
        """
        said = self.said("bash", "--norc", "-c", script, "bash", str(self.root))
        self.assertEqual(sorted(said.split()), ["pass", "purge"])


if __name__ == "__main__":
    unittest.main()
