# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Finds Debian's Postfix, Sendmail and Unbound: installed, or unpacked by install-packages."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from .processes import Failure

PROJECT = Path(__file__).resolve().parents[3]
"""The project's root."""


def cache() -> Path:
    """Where install-packages unpacks."""
    return Path(os.environ.get("MTA_CACHE") or PROJECT / ".build" / "mta")


def _unpacked(name: str) -> Path:
    folder = cache() / name
    if not (folder / ".complete").exists():
        tool = Path("Tests", "Tools", "install-packages")
        raise Failure(f"{name} is not unpacked in {cache()}: run {tool} {name}")
    return folder


def unbound() -> str:
    """Unbound's program: it is never installed, for it would answer for the machine."""
    return str(_unpacked("unbound") / "usr/sbin/unbound")


def map_plugins() -> dict[str, Path]:
    """Postfix's plug-ins for kinds of maps that are packages of their own."""
    folder = _unpacked("postfix-maps") / "usr/lib/postfix"
    return {kind: folder / f"postfix-{kind}.so" for kind in ("cdb", "lmdb")}


@dataclass(frozen=True)
class PostfixPrograms:
    """Where the parts of a Postfix are."""

    commands: Path
    daemons: Path
    libraries: Path
    metadata: Path
    unpacked: bool

    @classmethod
    def find(cls, unpacked: bool | None = None) -> PostfixPrograms:
        """The installed one if there is one (its programs only), or the unpacked one.

        With True or False only the unpacked or only the installed one will do."""
        if unpacked is False and not cls.is_installed():
            raise Failure("Postfix is not installed")
        if unpacked or not cls.is_installed():
            return cls._below(_unpacked("postfix"), True)
        return cls._below(Path("/"), False)

    @classmethod
    def _below(cls, root: Path, unpacked: bool) -> PostfixPrograms:
        libraries = root / "usr/lib/postfix"
        return cls(root / "usr/sbin", libraries / "sbin", libraries, root / "etc/postfix", unpacked)

    @staticmethod
    def is_installed() -> bool:
        try:
            pwd.getpwnam("postfix")
        except KeyError:
            return False
        return all(
            os.access(path, os.X_OK)
            for path in ("/usr/sbin/postfix", "/usr/lib/postfix/sbin/master")
        )

    @property
    def environment(self) -> dict[str, str]:
        """What the programs need to find their libraries."""
        return {"LD_LIBRARY_PATH": str(self.libraries)} if self.unpacked else {}


@dataclass(frozen=True)
class SendmailPrograms:
    """Where the parts of the unpacked Sendmail are."""

    sendmail: Path
    macros: Path

    @classmethod
    def find(cls) -> SendmailPrograms:
        root = _unpacked("sendmail")
        return cls(root / "usr/libexec/sendmail/sendmail", root / "usr/share/sendmail/cf")
