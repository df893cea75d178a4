# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""Stands between a mail server and its filter and writes down what the filter decided."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter

from .processes import end_with_us, ended


class FilterRecorder:
    """Listens on a loopback port and passes the milter protocol on to the filter's own port.

    `accepted` counts, for each queue id, how often the filter let a message pass at its end. When
    the filter does not answer, the mail server's connection is closed, as it would be without us."""

    def __init__(self, filter_port: int) -> None:
        self.accepted: Counter[str] = Counter()
        self._filter_port = filter_port
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()
        end_with_us(self)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            filter_side = socket.create_connection(("127.0.0.1", self._filter_port), 5)
        except OSError:
            client.close()
            return
        filter_side.settimeout(None)
        for end in (client, filter_side):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = _Session()
        back = threading.Thread(
            target=self._copy, args=(filter_side, client, self._said, session), daemon=True)
        back.start()
        self._copy(client, filter_side, self._asked, session)
        back.join()
        client.close()
        filter_side.close()

    @staticmethod
    def _copy(source, target, note, session) -> None:  # type: ignore[no-untyped-def]
        """Passes whole packets on; ends both directions when one side is gone."""
        try:
            while packet := _packet(source):
                note(session, packet[4:5], packet[5:])
                target.sendall(packet)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _asked(self, session: _Session, command: bytes, data: bytes) -> None:
        if command == b"D":
            words = data[1:].split(b"\0")
            macros = dict(zip(words[::2], words[1::2]))
            # Those of MAIL begin a message, which may have no queue id yet.
            known = b"" if data[:1] == b"M" else session.queue_id
            session.queue_id = macros.get(b"i", known)
        session.waits = command == b"E"

    def _said(self, session: _Session, command: bytes, _: bytes) -> None:
        # `c` continue and `a` accept; edits and progress leave the question open.
        if session.waits and command in (b"c", b"a"):
            with self._lock:
                self.accepted[session.queue_id.decode()] += 1

    def stop(self) -> None:
        ended(self)
        self._listener.close()


class _Session:
    queue_id = b""
    waits = False
    """Whether the end of the message was sent and not answered yet."""


def _packet(source: socket.socket) -> bytes:
    """A whole packet with its length, or nothing at the end of the stream."""
    head = _exactly(source, 4)
    return head + _exactly(source, struct.unpack(">I", head)[0]) if head else b""


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = source.recv(count - len(data))
        if not piece:
            return b""
        data += piece
    return data
