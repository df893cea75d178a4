# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Where the private mail servers deliver: an SMTP server that accepts and keeps everything."""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass

from .processes import end_with_us, ended, wait_until


@dataclass(frozen=True)
class Delivery:
    """One message as it was delivered."""

    sender: bytes
    recipients: tuple[bytes, ...]
    data: bytes
    """Header and body with CRLF line ends, dots unstuffed, without the final dot."""

    @property
    def header(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    def fields(self, name: str) -> list[bytes]:
        """The values of all header fields of that name, unfolded."""
        unfolded = self.header.replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
        wanted = name.lower().encode() + b":"
        return [
            line[len(wanted):].strip()
            for line in unfolded.split(b"\r\n")
            if line.lower().startswith(wanted)
        ]


class _Session(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    EXTENSIONS = ("sink.example.org", "8BITMIME", "SMTPUTF8", "SIZE", "DSN", "ENHANCEDSTATUSCODES")

    def handle(self) -> None:
        try:
            self.converse(self.server.sink)  # type: ignore[attr-defined]
        except (ConnectionError, ValueError, OSError):
            pass

    def converse(self, sink: MailSink) -> None:
        sender, recipients = b"", list[bytes]()
        self.say("220 sink.example.org ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                for name in self.EXTENSIONS[:-1]:
                    self.say("250-" + name)
                self.say("250 " + self.EXTENSIONS[-1])
            elif verb == b"MAIL":
                sender, recipients = self.address(line), []
                self.say("250 2.1.0 Ok")
            elif verb == b"RCPT":
                recipients.append(self.address(line))
                self.say("250 2.1.5 Ok")
            elif verb == b"DATA":
                self.say("354 Go on")
                sink.keep(Delivery(sender, tuple(recipients), self.content()))
                self.say("250 2.0.0 Kept")
            elif verb == b"QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    @staticmethod
    def address(line: bytes) -> bytes:
        return line.partition(b"<")[2].rpartition(b">")[0]

    def content(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionError("cut off in the middle of a message")
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class MailSink:
    """Listens on a loopback port (of the network namespace it is made in) and keeps all mail."""

    def __init__(self, port: int = 0) -> None:
        self._deliveries: list[Delivery] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Session)
        self._server.sink = self  # type: ignore[attr-defined]
        self.port = int(self._server.server_address[1])
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), daemon=True).start()
        end_with_us(self)

    def keep(self, delivery: Delivery) -> None:
        with self._lock:
            self._deliveries.append(delivery)

    @property
    def deliveries(self) -> list[Delivery]:
        with self._lock:
            return list(self._deliveries)

    def find(self, mark: str) -> list[Delivery]:
        """The deliveries that carry the mark anywhere."""
        return [delivery for delivery in self.deliveries if mark.encode() in delivery.data]

    def wait_for(self, mark: str, count: int = 1) -> list[Delivery]:
        """Waits until so many messages with the mark have come."""

        def arrived() -> list[Delivery] | None:
            found = self.find(mark)
            return found if len(found) >= count else None

        return wait_until(f"{count} delivered message(s) with {mark}", arrived)

    def stop(self) -> None:
        ended(self)
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> MailSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
