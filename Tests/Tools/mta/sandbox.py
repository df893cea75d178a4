# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A private view of the machine for a mail server: users, host name, processes."""

from __future__ import annotations

import grp
import os
import pwd
import re
import signal
import subprocess
from pathlib import Path
from typing import Callable

from .processes import Failure, Program, wait_until


class Sandbox:
    """Runs one server, and commands beside it, with private copies of a few files of /etc.

    The server is process 1 of its own process namespace: when it ends, or when we do, the kernel
    ends all that it started. The machine's own files are never written."""

    def __init__(self, folder: Path, hostname: str | None = None) -> None:
        self.folder = folder
        self.etc = folder / "etc"
        self.etc.mkdir(parents=True, exist_ok=True)
        self.hostname = hostname
        self.environment: dict[str, str] = {}
        self.program: Program | None = None
        self._init: int | None = None
        if hostname:
            (folder / "hostname").write_text(hostname)

    def add_user(self, name: str, *groups: str) -> tuple[int, int]:
        """The user's numbers, and the further groups made; a user that exists is taken as it is."""
        try:
            entry = pwd.getpwnam(name)
            uid, gid = entry.pw_uid, entry.pw_gid
        except KeyError:
            gid = self.add_group(name)
            uid = gid
            self._append("passwd", f"{name}:x:{uid}:{gid}::/nonexistent:/usr/sbin/nologin")
        for group in groups:
            self.add_group(group)
        return uid, gid

    def add_group(self, name: str) -> int:
        """The group's number; in the private copy it exists in any case."""
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            pass
        for line in self._lines("group"):
            if line.startswith(f"{name}:"):
                return int(line.split(":")[2])
        files = ("passwd", "group")
        used = {int(line.split(":")[2]) for file in files for line in self._lines(file)}
        number = next(n for n in range(64000, 65000) if n not in used)
        self._append("group", f"{name}:x:{number}:")
        return number

    def add_host(self, address: str, *names: str) -> None:
        """Lets an address and names resolve to each other, beside what the machine knows."""
        self._append("hosts", f"{address} {' '.join(names)}")

    def _lines(self, file: str) -> list[str]:
        private = self.etc / file
        source = private if private.exists() else Path("/etc", file)
        lines = source.read_text().splitlines() if source.exists() else []
        return [line for line in lines if line.count(":") > 1 or file == "hosts"]

    def _append(self, file: str, line: str) -> None:
        text = "\n".join([*self._lines(file), line]) + "\n"
        (self.etc / file).write_text(text)

    def start(self, command: list[str], log: Path) -> None:
        """Starts the server; it must stay in the foreground."""
        setup = Path(__file__).with_name("sandbox.sh")
        spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if self.hostname:
            spaces.append("--uts")
        self.program = Program(
            ["unshare", *spaces, "/bin/sh", str(setup), str(self.folder), *command],
            log,
            self.environment,
        )

    @property
    def init(self) -> int:
        """The server's process id as seen from outside."""
        if self._init is None:
            self._init = wait_until("the sandbox's first process", self._child)
        return self._init

    def _child(self) -> int | None:
        assert self.program
        self.program.check()
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = Path("/proc", entry, "stat").read_text()
                except OSError:
                    continue
                if int(stat.rpartition(")")[2].split()[1]) == self.program.pid:
                    return int(entry)
        return None

    def run(
        self, command: list[str], stdin: bytes = b"", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command beside the server, with the same view of the machine."""
        spaces = ["--mount", "--pid", *(["--uts"] if self.hostname else [])]
        return subprocess.run(
            ["nsenter", "--target", str(self.init), *spaces, "--", *command],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.environment, **(environment or {})},
            timeout=60,
        )

    def wait_for_log(self, pattern: str, name: str, log: Callable[[], str]) -> str:
        """Waits, while the server runs, for a line of a log that matches and returns it."""
        found = re.compile(f".*(?:{pattern}).*")

        def line() -> str | None:
            match = found.search(log())
            if match is None and self.program:
                self.program.check()
            return match[0] if match else None

        try:
            return wait_until(f"{pattern!r} in {name}", line)
        except Failure as failure:
            raise Failure(f"{failure}\n{log()[-2000:]}") from None

    def send(self, number: int) -> None:
        """Sends the server a signal."""
        os.kill(self.init, number)

    def stop(self) -> None:
        """Ends the server and all that it started, at once."""
        if self.program is None:
            return
        try:
            self.send(signal.SIGKILL)
            self.program.wait()
        except Exception:  # already gone, or never came up
            self.program.stop()
        self.program = None
        self._init = None
