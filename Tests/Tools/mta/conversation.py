# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""An SMTP client that says exactly what it is told and remembers what was answered."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from types import TracebackType

from .passwords import plain
from .processes import PATIENCE

REFERENCE = re.compile(r"\(ref ([0-9A-Z]{10}), contact (postmaster@[\w.-]+)\)")
"""What every refusal of bmsd shows to the client."""


@dataclass(frozen=True)
class Reply:
    """A reply of the server, one or more lines."""

    lines: tuple[bytes, ...]

    @property
    def code(self) -> int:
        return int(self.lines[-1][:3])

    @property
    def text(self) -> str:
        """The whole reply as the wire had it, lines joined by a line feed."""
        return "\n".join(line.decode("utf-8", "backslashreplace") for line in self.lines)

    @property
    def reference(self) -> str | None:
        """The ten characters by which bmsd knows its refusal, if it is one of bmsd's."""
        found = REFERENCE.search(self.text)
        return found[1] if found else None

    @property
    def queue_id(self) -> str | None:
        """The queue id in the reply to a message that was accepted (Postfix, Sendmail)."""
        found = re.search(r"queued as (\w+)|2\.0\.0 (\w+) Message accepted", self.text)
        return (found[1] or found[2]) if found else None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Exchange:
    """One command and its reply; the greeting has an empty command."""

    command: str
    reply: Reply


class SMTPConversation:
    """A connection to an SMTP server, as a client from any address (XCLIENT) sees it."""

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        source: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.dialogue: list[Exchange] = []
        self._socket = socket.create_connection(
            (host, port), patience, (source, 0) if source else None
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self.greeting = self._note("", self._reply())

    def _reply(self) -> Reply:
        lines = []
        while True:
            line = self._file.readline()
            if not line:
                raise ConnectionError("the server hung up")
            lines.append(line.rstrip(b"\r\n"))
            if line[3:4] != b"-":
                return Reply(tuple(lines))

    def _note(self, command: str, reply: Reply) -> Reply:
        self.dialogue.append(Exchange(command, reply))
        return reply

    def command(self, line: str | bytes) -> Reply:
        """Sends a line and waits for the reply. Text is sent as UTF-8, bytes as they are."""
        raw = line.encode() if isinstance(line, str) else line
        self._socket.sendall(raw + b"\r\n")
        return self._note(raw.decode("utf-8", "backslashreplace"), self._reply())

    def helo(self, name: str | bytes) -> Reply:
        return self.command(b"HELO " + _bytes(name))

    def ehlo(self, name: str | bytes) -> Reply:
        return self.command(b"EHLO " + _bytes(name))

    def xclient(self, **attributes: str) -> Reply:
        """Poses as another client, e.g. ADDR="192.0.2.7", NAME="[UNAVAILABLE]", LOGIN="user".

        The session starts again: the reply is a new greeting, and EHLO must follow."""
        if len(self.dialogue) == 1:
            self.ehlo("xclient.example.net")
        return self.command("XCLIENT " + " ".join(f"{k}={v}" for k, v in attributes.items()))

    def auth(self, user: str, password: str) -> Reply:
        """Logs in by AUTH PLAIN."""
        return self.command(f"AUTH PLAIN {plain(user, password)}")

    def mail(self, sender: str | bytes, parameters: str = "") -> Reply:
        return self.command(b"MAIL FROM:<" + _bytes(sender) + b">" + _parameters(parameters))

    def rcpt(self, recipient: str | bytes, parameters: str = "") -> Reply:
        return self.command(b"RCPT TO:<" + _bytes(recipient) + b">" + _parameters(parameters))

    def data(self, message: bytes) -> Reply:
        """Sends DATA and, when the server goes along, the message: CRLF line ends, dots stuffed."""
        if (reply := self.command("DATA")).code != 354:
            return reply
        self.begin(message)
        return self.finish()

    def send(self, part: bytes) -> None:
        """Sends bytes as they are and waits for nothing."""
        self._socket.sendall(part)

    def begin(self, message: bytes) -> None:
        """Sends a message, or its first part, without the end; DATA has been answered by 354."""
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        self._socket.sendall(stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n")

    def finish(self) -> Reply:
        """Ends the message and waits for the verdict."""
        self._socket.sendall(b".\r\n")
        return self._note("(message)", self._reply())

    def rset(self) -> Reply:
        return self.command("RSET")

    def quit(self) -> None:
        """Says good-bye as far as the server still listens."""
        try:
            self.command("QUIT")
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> SMTPConversation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None and not self._file.closed:
            self.quit()
        self.close()


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _parameters(text: str) -> bytes:
    return b" " + text.encode() if text else b""
