# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Becoming root, which private mail servers need: they run as several users."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_KEPT = ("BMSD", "KEEP", "NO_COLOR", "MTA_CACHE", "TERM")


def become_root(script: Path) -> None:
    """Returns as root, with root's folders of programs in PATH: goes on under sudo, or says what is
    missing and exits."""
    if os.geteuid() == 0:
        os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        return
    sudo = shutil.which("sudo")
    if not sudo:
        sys.exit(f"{script.name}: this needs root, and the command sudo is missing: run it as root")
    kept = [f"{name}={os.environ[name]}" for name in _KEPT if name in os.environ]
    os.execv(sudo, [sudo, "env", *kept, "/usr/bin/python3", str(script), *sys.argv[1:]])
