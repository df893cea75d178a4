# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A password service for Postfix's AUTH: the server's side of Dovecot's authentication protocol."""

from __future__ import annotations

import base64
import os
import socketserver
import threading
from pathlib import Path

from .processes import end_with_us, ended


def plain(user: str, password: str) -> str:
    """The argument of AUTH PLAIN."""
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.say("VERSION\t1\t1")
        self.say("MECH\tPLAIN\tplaintext")
        self.say(f"SPID\t{os.getpid()}")
        self.say("CUID\t1")
        self.say("COOKIE\t" + os.urandom(16).hex())
        self.say("DONE")
        for line in self.rfile:
            words = line.decode(errors="replace").rstrip("\n").split("\t")
            if words[0] == "AUTH":
                self.judge(words[1], next((w[5:] for w in words if w.startswith("resp=")), ""))

    def judge(self, number: str, response: str) -> None:
        _, user, password = base64.b64decode(response).decode().split("\0")
        if self.server.users.get(user) == password:  # type: ignore[attr-defined]
            self.say(f"OK\t{number}\tuser={user}")
        else:
            self.say(f"FAIL\t{number}\tuser={user}")

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\n")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class PasswordService:
    """Answers on a unix socket which users may log in."""

    def __init__(self, path: Path, users: dict[str, str]) -> None:
        self._server = _Server(str(path), _Session)
        self._server.users = users  # type: ignore[attr-defined]
        path.chmod(0o666)
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), daemon=True).start()
        end_with_us(self)

    def stop(self) -> None:
        ended(self)
        self._server.shutdown()
        self._server.server_close()
