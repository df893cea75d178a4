# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A network of our own, where loopback has the addresses that a test's clients come from."""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import contextmanager
from typing import Iterator

from .processes import Failure

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _own_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        raise Failure(f"{name}: {os.strerror(ctypes.get_errno())}")


class PrivateNetwork:
    """A network namespace with nothing but loopback, on which the given networks answer too.

    It lives as long as this object; nothing outside can be reached from it or reach into it."""

    def __init__(self, *networks: str) -> None:
        outside = _own_namespace()
        try:
            _call("unshare", _CLONE_NEWNET)
            self._inside: int | None = _own_namespace()
            self._ip("link", "set", "lo", "up")
            for network in networks:
                self._ip("address", "add", network, "dev", "lo")
        finally:
            _call("setns", outside, _CLONE_NEWNET)
            os.close(outside)

    @staticmethod
    def _ip(*words: str) -> None:
        result = subprocess.run(["ip", *words], capture_output=True, text=True)
        if result.returncode:
            raise Failure(f"ip {' '.join(words)}: {result.stderr.strip()}")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """What this thread starts or connects within the block belongs to the private network."""
        if self._inside is None:
            raise Failure("the private network is closed")
        outside = _own_namespace()
        _call("setns", self._inside, _CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", outside, _CLONE_NEWNET)
            os.close(outside)

    def close(self) -> None:
        if self._inside is not None:
            os.close(self._inside)
            self._inside = None

    def __enter__(self) -> PrivateNetwork:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
