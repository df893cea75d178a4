# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Processes, folders and waits that leave nothing behind.

Every process is started in a group of its own and dies with this one, also when this one is
killed; whatever is still running or lying about when Python ends is ended and removed then.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Protocol, TypeVar

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that a wait lasts at most, unless told otherwise."""


class Failure(Exception):
    """Something that was started did not do what it must; the message is for people."""


class Stoppable(Protocol):
    def stop(self) -> None: ...


_running: list[Stoppable] = []


def end_with_us(service: Stoppable) -> None:
    """Has the service stopped when Python ends, should nobody stop it before."""
    _running.append(service)


def ended(service: Stoppable) -> None:
    if service in _running:
        _running.remove(service)


@atexit.register
def stop_all() -> None:
    """Stops what still runs, the newest first."""
    while _running:
        _running.pop().stop()


def stop_on_signals() -> None:
    """Makes INT, TERM and HUP interrupt this process, so that it tidies up before it ends.

    INT too, since a process that a shell starts in the background ignores it."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def wait_until(what: str, ready: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """Asks again and again until the answer is true, and returns it.

    Raises `Failure` that names what was waited for when the deadline passes."""
    deadline = time.monotonic() + patience
    pause = 0.002
    while True:
        if answer := ready():
            return answer
        if time.monotonic() > deadline:
            raise Failure(f"waited {patience:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody uses now, neither for TCP nor for UDP."""
    for _ in range(100):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", 0))
            try:
                datagram.bind(stream.getsockname())
            except OSError:
                continue
            return int(stream.getsockname()[1])
    raise Failure("no port is free for both TCP and UDP")


class Folder:
    """A temporary folder that other users may pass through but not list."""

    def __init__(self, name: str, parent: str | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=parent))
        self.path.chmod(0o711)
        end_with_us(self)

    def stop(self) -> None:
        ended(self)
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.stop()


class Program:
    """A process that ends when this one does; its output goes to a log file."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None):
        self.command = command
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                process_group=0,
            )
        end_with_us(self)

    @property
    def pid(self) -> int:
        return self.process.pid

    def check(self) -> None:
        """Raises `Failure` with what the process said last when it has ended."""
        if (status := self.process.poll()) is not None:
            said = self.log.read_text(errors="replace")[-2000:]
            raise Failure(f"{self.command[0]} ended with status {status}:\n{said}")

    def send(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """Waits for the end and returns the exit status."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.command[0]} did not end within {patience:g} s") from None
        ended(self)
        return status

    def stop(self, number: int = signal.SIGKILL) -> None:
        """Ends the process; one that does not take the hint in time is killed."""
        self.send(number)
        try:
            self.wait(10)
        except Failure:
            self.process.kill()
            self.process.wait()
        ended(self)
