# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A Debian of its own, in memory: packages are installed there and nothing of the host changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .network import PrivateNetwork
from .packages import cache
from .processes import Failure, Program, end_with_us, ended, wait_until

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ["--mount", "--pid", "--uts", "--ipc"]


class Machine:
    """Boots the Debian that `install-packages machine` made, with systemd or without.

    Without, process 1 only waits. Its network is nothing but the loopback of `network`; its files
    are gone with it. systemd gets a cgroup below ours."""

    def __init__(self, folder: Path, network: PrivateNetwork, systemd: bool = True) -> None:
        self.tar = cache() / "root.tar"
        if not self.tar.exists():
            raise Failure(f"there is no {self.tar}: run Tests/Tools/install-packages machine")
        self.log = folder / "machine.log"
        self._root = folder / "machine"
        self._root.mkdir()
        self.network = network
        self.systemd = systemd
        self._cgroup: Path | None = None
        self._program: Program | None = None
        self._init = 0

    # Its life

    def start(self) -> Machine:
        """Returns when it is up; a `Failure` says why systemd cannot run here."""
        init = ["/bin/sh", "-c", "while :; do sleep 1000; done"]
        if self.systemd:
            init = ["/lib/systemd/systemd", "--log-target=console", "--log-level=notice"]
            self._cgroup = self._make_cgroup()
        end_with_us(self)
        boot = str(Path(__file__).with_name("machine.sh"))
        command = ["unshare", *_NAMESPACES, "--cgroup", "--fork", "--kill-child"]
        # The group must be entered before the namespace is made of it.
        joined = f"echo $$ >{self._cgroup}/cgroup.procs; " if self._cgroup else ""
        with self.network.entered():
            self._program = Program(
                ["sh", "-c", f'{joined}exec "$@"', "sh", *command,
                 "sh", boot, str(self.tar), str(self._root), *init],
                self.log,
            )
        self._init = wait_until("the machine's first process", self._child)
        wait_until("the machine to be unpacked", self._is_inside)
        if self.systemd:
            wait_until("systemd to be up", self._is_up)
        return self

    @staticmethod
    def _make_cgroup() -> Path:
        """A cgroup below our own, in whichever place the unified hierarchy is mounted."""
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        place = next((words[1] for words in mounts if words[2] == "cgroup2"), None)
        if place is None:
            raise Failure("no cgroup2 is mounted here, which systemd needs")
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line[3:] for line in lines if line.startswith("0::"))
        group = Path(f"{place}{own}", f"bmsd-machine-{os.getpid()}")
        try:
            group.mkdir()
        except OSError as error:
            raise Failure(f"no cgroup can be made for systemd: {error}") from None
        return group

    def _child(self) -> int | None:
        assert self._program
        self._program.check()
        children = Path(f"/proc/{self._program.pid}/task/{self._program.pid}/children")
        words = children.read_text().split()
        return int(words[0]) if words else None

    def _is_inside(self) -> bool:
        assert self._program
        self._program.check()
        try:
            words = Path(f"/proc/{self._init}/cmdline").read_bytes()
        except OSError:
            return False
        return words.startswith(b"/lib/systemd/systemd" if self.systemd else b"/bin/sh\0-c\0while")

    def _is_up(self) -> bool:
        assert self._program
        self._program.check()
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def stop(self) -> None:
        ended(self)
        if self._program:
            self._program.stop()
            self._program = None
        if self._cgroup:
            for group in sorted(self._cgroup.rglob("*/"), reverse=True):
                self._remove(group)
            self._remove(self._cgroup)
            self._cgroup = None

    @staticmethod
    def _remove(group: Path) -> None:
        """Its processes end with their process 1, but not at the same instant."""

        def gone() -> bool:
            try:
                group.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return False
            return True

        wait_until(f"{group} to be empty", gone, 10)

    # What is done in it

    def run(
        self, *words: str, stdin: str = "", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the machine; its errors come with its output."""
        with self.network.entered():
            return subprocess.run(
                ["nsenter", f"--target={self._init}", *_NAMESPACES, "--cgroup", "--", *words],
                input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                env={"PATH": _PATH, "LC_ALL": "C", **(environment or {})}, timeout=120,
            )

    def must(self, *words: str, stdin: str = "") -> str:
        """Runs a command that has to succeed and returns what it said."""
        result = self.run(*words, stdin=stdin)
        if result.returncode:
            raise Failure(f"{' '.join(words)}: status {result.returncode}\n{result.stdout}")
        return result.stdout

    def start_program(self, log: Path, *words: str) -> Program:
        """Starts what stays: a daemon, where no systemd does it."""
        with self.network.entered():
            return Program(
                ["nsenter", f"--target={self._init}", *_NAMESPACES, "--", *words], log,
                {"PATH": _PATH, "LC_ALL": "C"},
            )

    def path(self, inside: str) -> Path:
        """A file of the machine as it is seen from outside; its links lead outside."""
        return Path(f"/proc/{self._init}/root{inside}")

    def put(self, file: Path, inside: str) -> str:
        """Copies a file into the machine; returns its path in there."""
        target = self.path(inside) / file.name
        target.write_bytes(file.read_bytes())
        return f"{inside}/{file.name}"

    def __enter__(self) -> Machine:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
