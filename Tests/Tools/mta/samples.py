# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""The sample messages of the demo: who sends what, why, and what must come of it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["delivered", "changed", "deferred", "refused"]


@dataclass(frozen=True)
class Question:
    """A command of bmsd that follows a sample, `REF` in it being the message's reference."""

    words: tuple[str, ...]
    shows: str = ""
    """What must stand in its output."""
    delivers: bool = False
    """Whether the sample arrives after it, as it was sent."""


@dataclass(frozen=True)
class Attachment:
    """A file in a sample."""

    kind: str
    name: str
    content: bytes

    @property
    def lines(self) -> list[str]:
        return [
            f'Content-Type: {self.kind}; name="{self.name}"', "Content-Transfer-Encoding: base64", "",
            base64.b64encode(self.content).decode(),
        ]


@dataclass(frozen=True)
class Sample:
    """One client and its message."""

    title: str
    why: str
    expect: Outcome
    address: str = "192.0.2.7"
    name: str = "mx.example.com"
    helo: str = "mx.example.com"
    sender: str = "ann@example.com"
    recipient: str = "bob@example.org"
    login: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    attempts: int = 1
    """How often it says EHLO, MAIL and so on, all on one connection."""
    text: str = ""
    """What must stand in the reply that decided."""
    attachments: tuple[Attachment, ...] = ()
    then: tuple[Question, ...] = ()

    def message(self, mark: str) -> bytes:
        lines = {
            "From": f"<{self.sender}>",
            "To": f"<{self.recipient}>",
            "Subject": self.title,
            "Message-ID": f"<{mark}@example.com>",
            "Date": "Sat, 21 Nov 2026 08:00:00 +0000",
            **self.headers,
        }
        text = ["Hello,", "", self.why]
        if self.attachments:
            lines["MIME-Version"] = "1.0"
            lines["Content-Type"] = 'multipart/mixed; boundary="next part"'
            parts = [["Content-Type: text/plain", "", *text]]
            parts += [attachment.lines for attachment in self.attachments]
            text = [line for part in parts for line in ("--next part", *part)] + ["--next part--"]
        header = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return (header + "\r\n" + "\r\n".join(text) + "\r\n").encode()


KNOWN = "192.0.2.7, 203.0.113.5"
"""Clients for which the greylist makes no trouble, [greylist] skip."""

ZONE = """
bank.example TXT "v=spf1 ip4:203.0.113.99 -all"
example.com TXT "v=spf1 ip4:192.0.2.7 -all"
7.2.0.192.in-addr.arpa PTR mx.example.com
mx.example.com A 192.0.2.7
"""
"""All of the demo's DNS."""

SAMPLES = [
    Sample(
        "An ordinary message",
        "Nothing is wrong with this client: bmsd lets the mail pass, unchanged.",
        "delivered",
    ),
    Sample(
        "A HELO name that is a bare address",
        "A mail server has a name; this one says 192.0.2.66. bmsd decides at HELO but answers at "
        "RCPT, so that its log knows sender and recipient.",
        "refused",
        address="192.0.2.66", name="[UNAVAILABLE]", helo="192.0.2.66", sender="win@example.net",
    ),
    Sample(
        "Our own name as HELO name",
        "Nobody outside is called mail.example.org: that is us.",
        "refused",
        address="198.51.100.9", name="pool9.example.net", helo="mail.example.org",
        sender="boss@example.org",
    ),
    Sample(
        "No reverse DNS name",
        "That alone is no sin: bmsd notes it and lets the mail pass.",
        "delivered",
        address="203.0.113.5", name="[UNAVAILABLE]", helo="small.example.net",
        sender="shop@example.net",
    ),
    Sample(
        "A reverse DNS name of localhost, from outside",
        "Whoever controls that reverse zone wants to look local. Refused at CONNECT, told at RCPT.",
        "refused",
        address="203.0.113.77", name="localhost", helo="mx.example.net", sender="me@example.net",
    ),
    Sample(
        "One of our users, logged in, with a bare address as HELO name",
        "Mail programs do that. A successful AUTH cancels what was held against the client.",
        "delivered",
        address="198.51.100.23", name="dsl23.example.net", helo="10.0.0.5",
        sender="bob@example.org", recipient="ann@example.com", login="bob",
    ),
    Sample(
        "A forged sender",
        "The owner of bank.example says by SPF which address sends its mail: not this client's.",
        "refused",
        sender="service@bank.example", text="may not send mail for bank.example",
        then=(Question(("explain", "REF"), "says that this client may not send for it"),),
    ),
    Sample(
        "To postmaster, by a client that would be refused",
        "Someone must be reachable for those who are refused by mistake.",
        "delivered",
        address="192.0.2.66", name="[UNAVAILABLE]", helo="192.0.2.66", sender="win@example.net",
        recipient="postmaster@example.org",
    ),
    Sample(
        "The first message of a stranger",
        "A new client, a new sender: it is asked to come again in a minute, which spam robots "
        "rarely do. Who waits for that mail can ask bmsd why, and let it through.",
        "deferred",
        address="198.51.100.40", name="mx.example.net", helo="mx.example.net",
        sender="eve@example.net", text="Greylisted, please try again in 1 minute",
        then=(
            Question(("explain", "REF"), "bmsd greylist pass eve@example.net bob@example.org"),
            Question(("greylist", "pass", "eve@example.net", "bob@example.org"), "1 triplet"),
        ),
    ),
    Sample(
        "The same message, tried again at once",
        "It would have to wait for a minute, had it not been let through.",
        "delivered",
        address="198.51.100.40", name="mx.example.net", helo="mx.example.net",
        sender="eve@example.net",
    ),
    Sample(
        "A client that does not give up",
        "Our name as HELO name counts four demerits, a second HELO two. With more than eight "
        "on one connection its address is banned.",
        "refused",
        address="198.51.100.66", name="pool66.example.net", helo="mail.example.org",
        sender="spam@example.net", attempts=2,
        then=(Question(("ban", "list"), "198.51.100.66"),),
    ),
    Sample(
        "The same client later, under another name",
        "What it says makes no difference now.",
        "refused",
        address="198.51.100.66", name="pool66.example.net", helo="pool66.example.net",
        sender="spam@example.net", text="You are banned",
        then=(
            Question(("explain", "REF"), "bmsd ban remove 198.51.100.66"),
            Question(("ban", "remove", "198.51.100.66")),
            Question(("status",), "banned_ips=enforce"),
        ),
    ),
    Sample(
        "A program beside a picture and a report",
        "The program is replaced by a notice; the two others arrive as they were. Who needs the "
        "program can have the message as it was.",
        "changed",
        attachments=(
            Attachment("image/png", "picture.png", b"\x89PNG and so on"),
            Attachment("application/octet-stream", "invoice.pdf.exe", b"MZ and so on"),
            Attachment("application/pdf", "report.pdf", b"%PDF-1.7 and so on"),
        ),
        then=(
            Question(("explain", "REF"), "replaced invoice.pdf.exe: .exe"),
            Question(("quarantine", "show", "REF"), "invoice.pdf.exe"),
            Question(
                ("quarantine", "release", "REF", "--reason", "bob asked for it"), "bob@example.org",
                delivers=True),
        ),
    ),
]
