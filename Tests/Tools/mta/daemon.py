# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""The bmsd under test: its configuration, its life and its log."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from .packages import PROJECT
from .processes import Failure, Program, wait_until

Settings = dict[str, dict[str, str]]
"""Sections of the configuration, each a dictionary of keys and values."""

STRICT: Settings = {
    "network": {
        "hostname": "mail.example.org",
        "internal_connect": "127.0.0.0/8, ::1",
        "always_accept": "postmaster@, abuse@",
    },
    "helo": {
        "mode": "enforce",
        "hello_blacklist": "example.org, mail.example.org",
        "reject_numeric": "yes",
        "require": "yes",
    },
}
"""What the tests and the demo enforce, unless they say otherwise."""


def memory(folder: Path) -> Settings:
    """Store, trail, control socket and quarantine in a folder."""
    return {
        "store": {"path": f"{folder}/bms.db", "min_free": "10M"},
        "trail": {"path": f"{folder}/trail.db"},
        "control": {"socket": f"{folder}/control.sock"},
        "quarantine": {"dir": f"{folder}/quarantine"},
    }


def executable() -> Path:
    """The bmsd to run: $BMSD, or the release build."""
    path = Path(os.environ.get("BMSD") or PROJECT / ".build" / "release" / "bmsd").resolve()
    if not os.access(path, os.X_OK):
        raise Failure(f"there is no bmsd at {path}: run `make build`, or set BMSD")
    return path


class Daemon:
    """`bmsd run` on a socket, `unix:/path` or `inet:127.0.0.1:port`."""

    def __init__(
        self, folder: Path, milter_socket: str, settings: Settings | None = None, **milter: str
    ) -> None:
        """Takes the settings on top of `STRICT`, and further keys of [milter]."""
        self.folder = folder
        self.socket = milter_socket
        self.configuration = folder / "bms.conf"
        self.logfile = folder / "bmsd.log"
        self._milter = {"socket": milter_socket, **milter}
        self._settings: Settings = {name: dict(keys) for name, keys in STRICT.items()}
        for name, keys in (settings or {}).items():
            self._settings.setdefault(name, {}).update(keys)
        self.program: Program | None = None

    @property
    def postfix_milter(self) -> str:
        """The socket as Postfix spells it."""
        return self.socket

    @property
    def sendmail_milter(self) -> str:
        """The socket as Sendmail spells it."""
        kind, _, rest = self.socket.partition(":")
        if kind == "unix":
            return f"local:{rest}"
        host, _, port = rest.rpartition(":")
        return f"inet:{port}@{host}"

    def _text(self) -> str:
        sections = {"milter": self._milter, **self._settings}
        return "\n".join(
            f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for name, keys in sections.items()
        )

    def start(self) -> Daemon:
        """Starts the daemon and returns when its socket answers."""
        self.configuration.write_text(self._text())
        command = [str(executable()), "run", "--config", str(self.configuration)]
        self.program = Program(command, self.logfile, {"LC_ALL": "C"})
        wait_until("bmsd's socket", self._answers)
        return self

    def _answers(self) -> bool:
        assert self.program
        self.program.check()
        kind, _, rest = self.socket.partition(":")
        host, _, port = rest.rpartition(":")
        family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(rest if kind == "unix" else (host, int(port))) == 0

    def reload(self, text: str | None = None, settings: Settings | None = None) -> None:
        """Changes the file, by settings or as a whole, and waits until bmsd has taken a stand."""
        assert self.program
        for name, keys in (settings or {}).items():
            self._settings.setdefault(name, {}).update(keys)
        self.configuration.write_text(self._text() if text is None else text)
        before = len(self.lines("reload"))
        self.program.send(signal.SIGHUP)
        wait_until("bmsd to reload", lambda: len(self.lines("reload")) > before, 10)

    def command(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs one of bmsd's commands, e.g. `ban list`, on this daemon's configuration."""
        return subprocess.run(
            [str(executable()), *words, "--config", str(self.configuration)],
            input=stdin, capture_output=True, text=True, timeout=60,
            env={**os.environ, "LC_ALL": "C"},
        )

    def terminate(self) -> None:
        """Tells the daemon to finish what it has begun and end."""
        assert self.program
        self.program.send(signal.SIGTERM)

    def wait(self) -> int:
        """Waits for the end and returns the exit status."""
        assert self.program
        return self.program.wait()

    def stop(self) -> None:
        if self.program:
            self.program.stop(signal.SIGTERM)
            self.program = None

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Its log

    def log(self) -> str:
        return self.logfile.read_text(errors="replace") if self.logfile.exists() else ""

    def lines(self, mark: str) -> list[str]:
        """The lines of the log that carry the mark, without the priority in front."""
        found = [line for line in self.log().splitlines() if mark in line]
        return [re.sub(r"^<\d>", "", line) for line in found]

    def wait_for_line(self, mark: str) -> list[str]:
        """Waits for a line of the log with the mark and returns all there are."""
        return wait_until(f"{mark!r} in bmsd's log", lambda: self.lines(mark), 10)

    def story(self, mark: str, finished: bool = False) -> list[str]:
        """All that the log tells about the message of a reference, or of a queue id.

        With `finished` it waits a moment for the line that sums the message up, which for a
        refused one comes when the client goes."""
        first = self.wait_for_line(mark)
        references = {found[1] for line in first if (found := re.search(r"\bref=(\w+)", line))}

        def told() -> list[str]:
            lines = self.lines("ref=")
            return [line for line in lines if any(f"ref={r}" in line for r in references)]

        try:
            wait_until("a summary", lambda: any(" recipients=" in x for x in told()), 2 * finished)
        except Failure:
            pass
        return told()
