# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A private DNS: Debian's Unbound, which answers from a few lines and asks nobody."""

from __future__ import annotations

import shlex
from pathlib import Path

from .packages import unbound
from .processes import Failure, Program, free_port, wait_until


class NameServer:
    """Answers on a loopback port. What is not in the zone does not exist."""

    def __init__(self, folder: Path, zone: str) -> None:
        """`zone` has a record a line: `NAME TYPE DATA`, as `bmsd try --zone` reads it."""
        self.folder = folder
        self.records = [record for line in zone.splitlines() if (record := self._record(line))]
        self.program: Program | None = None
        self.port = 0

    @property
    def server(self) -> str:
        """The server as an option names it."""
        return f"127.0.0.1@{self.port}"

    @staticmethod
    def _record(line: str) -> str | None:
        words = shlex.split(line, comments=True, posix=False)
        if not words:
            return None
        if "'" in line:
            raise Failure(f"the private DNS quotes with apostrophes: {line}")
        return " ".join(words)

    def start(self) -> NameServer:
        """Waits until it serves. Another process may take the port first: then another is tried."""
        for attempt in range(1, 6):
            self.port = free_port()
            log = self.folder / f"dns-{attempt}.log"
            self.program = Program([unbound(), "-d", "-c", str(self._configuration())], log)
            if wait_until("the private DNS", lambda: self._state(log)) == "serves":
                return self
            self.program.stop()
        raise Failure(f"the private DNS did not start:\n{log.read_text(errors='replace')[-2000:]}")

    def _configuration(self) -> Path:
        file = self.folder / "unbound.conf"
        lines = "".join(f"  local-data: '{record}'\n" for record in self.records)
        file.write_text(f"""server:
  directory: "{self.folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1
  port: {self.port}
  do-ip6: no
  module-config: "iterator"
  local-zone: "." static
  local-data: ". SOA ns. host. 1 3600 600 86400 300"
{lines}remote-control:
  control-enable: no
""")
        return file

    def _state(self, log: Path) -> str | None:
        """What became of it, once that is known. It says that it serves when its port is open."""
        assert self.program
        if "start of service" in log.read_text(errors="replace"):
            return "serves"
        return None if self.program.process.poll() is None else "ended"

    def stop(self) -> None:
        if self.program:
            self.program.stop()
