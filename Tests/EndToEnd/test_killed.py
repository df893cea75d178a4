# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""bmsd is killed again and again while mail flows: none is lost, none comes twice, none slips by."""

from __future__ import annotations

import signal
import threading
import unittest
from collections import Counter

from support import PostfixTestCase, message
from test_sendmail import NAMES, STRANGER, SendmailTestCase
from mta import (
    Failure, FilterRecorder, MailSink, PrivateNetwork, PrivateSendmail, SMTPConversation, free_port,
    wait_until,
)

ENOUGH = 120
"""Accepted messages after which the load ends."""


class Load:
    """Clients that send until told to stop; every second one has a HELO that is refused."""

    CLIENTS = 8

    def __init__(self, connect) -> None:  # type: ignore[no-untyped-def]
        self.accepted: dict[str, str] = {}
        """The mark of each message that the server took, and its queue id."""
        self.slipped: list[str] = []
        """Answers to clients that must be refused, where they were not."""
        self.answers: Counter[int] = Counter()
        self._connect = connect
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(number,)) for number in range(self.CLIENTS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self, number: int) -> None:
        is_bad = number % 2 == 1
        attempt = 0
        while not self._over.is_set():
            attempt += 1
            mark = f"load-{number}-{attempt}."
            try:
                with self._connect("192.0.2.9" if is_bad else "mx.example.com") as client:
                    self._send(client, mark, is_bad)
            except (AssertionError, OSError):
                # The server hung up or would not greet; what it never took is nobody's loss.
                continue

    def _send(self, client: SMTPConversation, mark: str, is_bad: bool) -> None:
        for step in (
            lambda: client.mail("ann@example.com"),
            lambda: client.rcpt("bob@example.org"),
            lambda: client.data(message(mark)),
        ):
            reply = step()
            if reply.code >= 400:
                self.answers[reply.code] += 1
                return
        self.answers[reply.code] += 1
        if is_bad:
            self.slipped.append(f"{mark}: {reply}")
        elif reply.queue_id:
            self.accepted[mark] = reply.queue_id


class Killed:
    """The same for every mail server; `begin` starts it with a recorder before bmsd."""

    def test_killed_and_restarted_under_load(self) -> None:
        """Fault 6: kill -9 under load; what was told 250 arrives once, and was filtered."""
        self.begin()
        kills = 0
        with Load(self.arrive) as load:
            while len(load.accepted) < ENOUGH:
                before = len(load.accepted)
                try:
                    wait_until("some more mail", lambda: len(load.accepted) >= before + 15)
                except Failure:
                    self.fail(f"no mail any more after {kills} kills: {load.answers}")
                assert self.daemon.program
                self.daemon.program.send(signal.SIGKILL)
                self.daemon.wait()
                self.daemon.start()
                kills += 1
        self.assertGreaterEqual(kills, 5)
        # While bmsd was away somebody was told to come again, or the test proved nothing.
        self.assertGreater(load.answers[451] + load.answers[421] + load.answers[550], 0)
        self.assertEqual(load.slipped, [])
        for mark in load.accepted:
            self.sink.wait_for(mark)
        arrived = Counter(
            delivery.fields("Subject")[0].decode() for delivery in self.sink.deliveries)
        twice = {mark: count for mark, count in arrived.items() if count != 1}
        self.assertEqual(twice, {})
        # Each of them, and each that arrived without the client having heard so, was let pass.
        unfiltered = [q for q in load.accepted.values() if self.recorder.accepted[q] != 1]
        self.assertEqual(unfiltered, [])
        self.assertLessEqual(len(arrived), sum(self.recorder.accepted.values()))
        self.assertFalse([mark for mark in arrived if int(mark.split("-")[1]) % 2])
        print(f"{type(self).__name__}: {kills} kills, {len(load.accepted)} accepted, "
              f"{len(arrived)} arrived, answers {dict(sorted(load.answers.items()))}")


class PostfixKilled(Killed, PostfixTestCase):
    def begin(self) -> None:
        port = free_port()
        self.start_daemon(f"inet:127.0.0.1:{port}")
        self.recorder = FilterRecorder(port)
        self.addCleanup(self.recorder.stop)
        self.start_postfix(f"inet:127.0.0.1:{self.recorder.port}")

    def arrive(self, helo: str) -> SMTPConversation:
        client = SMTPConversation(self.postfix.smtp_port)
        reply = client.xclient(ADDR=STRANGER, NAME="mx.example.com", REVERSE_NAME="mx.example.com")
        if reply.code != 220 or client.ehlo(helo).code != 250:
            client.close()
            raise ConnectionError(reply.text)
        return client


class SendmailKilled(Killed, SendmailTestCase):
    def begin(self) -> None:
        network = PrivateNetwork("192.0.2.0/24")
        self.addCleanup(network.close)
        inside = network.entered()
        inside.__enter__()
        self.addCleanup(inside.__exit__, None, None, None)
        self.network = network
        port = free_port()
        self.start_daemon(f"inet:127.0.0.1:{port}")
        self.recorder = FilterRecorder(port)
        self.addCleanup(self.recorder.stop)
        self.sink = MailSink()
        self.addCleanup(self.sink.stop)
        self.sendmail = PrivateSendmail(
            self.mta_folder(), free_port(), sink_port=self.sink.port,
            milter=f"inet:{self.recorder.port}@127.0.0.1", hosts=NAMES,
        )
        self.addCleanup(self.sendmail.stop)
        self.sendmail.start()

    def arrive(self, helo: str) -> SMTPConversation:
        client = SMTPConversation(self.sendmail.smtp_port, source=STRANGER)
        if client.greeting.code != 220 or client.ehlo(helo).code != 250:
            client.close()
            raise ConnectionError(client.greeting.text)
        return client


if __name__ == "__main__":
    unittest.main()
