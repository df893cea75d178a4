# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A private DNS: Debian's dnsmasq, which answers from a few lines and asks nobody."""

from __future__ import annotations

import shlex
import socket
import struct
from pathlib import Path

from .processes import Failure, Program, wait_until


class NameServer:
    """Answers on a loopback port. What is not in the zone does not exist."""

    def __init__(self, folder: Path, port: int, zone: str) -> None:
        """`zone` has a record a line: `NAME TYPE DATA`, as `bmsd try --zone` reads it."""
        self.port = port
        options = [option for line in zone.splitlines() if (option := self._option(line))]
        self.program = Program(
            [
                "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null",
                "--pid-file", "--user=", "--listen-address=127.0.0.1", "--bind-interfaces",
                f"--port={port}", "--local=/#/", *options,
            ],
            folder / "dns.log",
        )

    @staticmethod
    def _option(line: str) -> str | None:
        words = shlex.split(line, comments=True)
        if not words:
            return None
        name, kind, data = words[0], words[1].upper(), words[2:]
        match kind:
            case "TXT":
                # A comma begins another string.
                return f"--txt-record={name}," + ",".join(data)
            case "A" | "AAAA":
                return f"--host-record={name},{data[0]}"
            case "PTR":
                return f"--ptr-record={name},{data[0]}"
            case "MX":
                return f"--mx-host={name},{data[1]},{data[0]}"
        raise Failure(f"the private DNS does not serve {kind} records")

    def start(self) -> NameServer:
        """Waits until it answers."""
        question = struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\1x\0" + struct.pack(">HH", 1, 1)

        def answers() -> bool:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(0.2)
                try:
                    client.sendto(question, ("127.0.0.1", self.port))
                    return bool(client.recv(512))
                except OSError:
                    return False

        wait_until("an answer of the private DNS", answers, 10)
        return self

    def stop(self) -> None:
        self.program.stop()

    def __enter__(self) -> NameServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
