# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""The demo: ends by itself, leaves nothing, reads well, and works without an installed Postfix."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from mta import PROJECT, SMTPConversation, executable, wait_until

DEMO = str(PROJECT / "Tests" / "Tools" / "demo")

HIDE = """
set -e
mount --bind "$1/empty" /usr/lib/postfix
for program in /usr/sbin/postfix /usr/sbin/sendmail /usr/sbin/postqueue; do
  if [ -e "$program" ]; then mount --bind /dev/null "$program"; fi
done
if [ -e /etc/postfix ]; then mount --bind "$1/empty" /etc/postfix; fi
if [ -e /var/spool/postfix ]; then mount --bind "$1/empty" /var/spool/postfix; fi
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
shift
exec "$@"
"""
"""Runs a command where the machine's Postfix and its users are not to be seen."""


class DemoTestCase(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bmsd-demo-test.")
        self.addCleanup(folder.cleanup)
        self.temporary = Path(folder.name)
        self.temporary.chmod(0o711)
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("KEEP", "NO_COLOR")
        }
        self.environment["TMPDIR"] = folder.name
        self.command = [DEMO, str(executable())]

    def run_demo(
        self, command: list[str] | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command or self.command, env={**self.environment, **environment},
            capture_output=True, text=True, timeout=120,
        )

    def assert_nothing_left(self) -> None:
        self.assertEqual(list(self.temporary.glob("bmsd-demo.*")), [])
        wait_until("the demo's processes to end", lambda: not self.processes(), 10)

    def processes(self) -> list[str]:
        """The command lines of processes that work in the demo's folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                line = words.replace(b"\0", b" ").decode(errors="replace")
                if f"{self.temporary}/bmsd-demo." in line:
                    found.append(line)
        return found

    def assert_success(self, result: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertEqual(result.stderr, "")
        self.assertIn("samples ended as expected", result.stdout)


class Demo(DemoTestCase):
    def test_shows_all_and_ends(self) -> None:
        result = self.run_demo()
        self.assert_success(result)
        self.assert_nothing_left()
        self.assertNotIn("\033", result.stdout)
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)
        self.assertGreaterEqual(len(re.findall(r"^\d\. ", result.stdout, re.MULTILINE)), 5)
        self.assertRegex(result.stdout, r"\(ref [0-9A-Z]{10}")
        for command in ("explain", "greylist pass", "ban list", "ban remove", "status"):
            self.assertIn(f"  $ bmsd {command}", result.stdout)
        for reference in re.findall(r"\(ref ([0-9A-Z]{10})", result.stdout):
            self.assertIn(f"ref={reference}", result.stdout)

    def test_colours_on_a_terminal_unless_unwanted(self) -> None:
        self.assertIn("\033[", self.on_terminal())
        self.assertNotIn("\033[", self.on_terminal(NO_COLOR="1"))

    def on_terminal(self, **environment: str) -> str:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            self.command, stdin=theirs, stdout=theirs, stderr=theirs,
            env={**self.environment, **environment},
        )
        os.close(theirs)
        said = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                said += os.read(ours, 65536)
            except OSError:
                break
        os.close(ours)
        self.assertEqual(process.wait(30), 0, said)
        return said.decode()

    def test_without_an_installed_postfix(self) -> None:
        (self.temporary / "empty").mkdir()
        for file in ("passwd", "group"):
            lines = Path("/etc", file).read_text().splitlines()
            kept = [line for line in lines if not line.startswith(("postfix:", "postdrop:"))]
            (self.temporary / file).write_text("\n".join(kept) + "\n")
        if not Path("/usr/lib/postfix").exists():
            self.skipTest("Postfix is not installed: the other tests show this already")
        hidden = ["unshare", "--mount", "sh", "-c", HIDE, "sh", str(self.temporary)]
        result = self.run_demo([*hidden, *self.command])
        self.assert_success(result)
        self.assertIn("unpacked for this", result.stdout)
        self.assert_nothing_left()

    def test_keep_stays_until_interrupted(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.kept()
                process.send_signal(number)
                self.assertEqual(process.wait(30), 130)
                self.assert_nothing_left()

    def test_killed_it_leaves_no_process(self) -> None:
        process = self.kept()
        process.kill()
        process.wait(30)
        wait_until("the demo's processes to end", lambda: not self.processes(), 10)

    def kept(self) -> subprocess.Popen[bytes]:
        """A demo with KEEP=1 that has shown all, and does serve."""
        said = self.temporary / "said"
        with open(said, "wb") as output:
            process = subprocess.Popen(
                self.command, env={**self.environment, "KEEP": "1"}, stdout=output, stderr=output
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        told = re.compile(r"127\.0\.0\.1:(\d+)  \(XCLIENT.*\n(.*\n){6}")
        shown = wait_until("the demo to show all", lambda: told.search(said.read_text()))
        with SMTPConversation(int(shown[1])) as client:
            self.assertEqual(client.greeting.code, 220)
        self.assertTrue(self.processes())
        return process

    def test_fails_when_bmsd_does(self) -> None:
        result = self.run_demo([DEMO, "/bin/false"])
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("demo:", result.stderr)
        result = self.run_demo([DEMO, "/nonexistent/bmsd"])
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("make build", result.stderr)
        self.assert_nothing_left()


class NotRoot(DemoTestCase):
    """An ordinary user needs sudo."""

    USER = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    def setUp(self) -> None:
        super().setUp()
        if subprocess.run([*self.USER, "test", "-x", DEMO]).returncode:
            self.skipTest("other users cannot see the project here")
        self.programs = self.temporary / "bin"
        self.programs.mkdir()
        for path in (self.temporary, self.programs):
            path.chmod(0o755)
        self.user = [shutil.which("setpriv") or "setpriv", *self.USER[1:]]

    def test_uses_sudo(self) -> None:
        sudo = self.programs / "sudo"
        sudo.write_text('#!/bin/sh\necho "sudo $*"\n')
        sudo.chmod(0o755)
        path = f"{self.programs}:/bin"
        result = self.run_demo([*self.user, *self.command], PATH=path, KEEP="1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^sudo env .*KEEP=1 .*/demo")

    def test_says_that_sudo_is_missing(self) -> None:
        result = self.run_demo([*self.user, *self.command], PATH=str(self.programs))
        self.assertEqual(result.returncode, 1)
        self.assertIn("sudo is missing", result.stderr)


if __name__ == "__main__":
    unittest.main()
