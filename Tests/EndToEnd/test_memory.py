# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""What bmsd remembers, asked and changed by its commands, behind real mail servers."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import unittest
from pathlib import Path

from support import MailTestCase, PostfixTestCase, message
from test_sendmail import SendmailTestCase
from mta import Daemon, Failure, Reply, Settings, SMTPConversation, memory, wait_until

GREYLIST: Settings = {"greylist": {"mode": "enforce", "time": "1m"}}
BANS: Settings = {"banned_ips": {"mode": "enforce", "max_demerits": "8"}}
STRANGER = "192.0.2.7"
OWN_NAME = "mail.example.org"


class Remembering(MailTestCase):
    """A daemon with a store, a trail and a control socket, and its commands."""

    def remembering(self, *settings: Settings) -> Settings:
        together = memory(self.folder)
        for more in settings:
            for name, keys in more.items():
                together.setdefault(name, {}).update(keys)
        return together

    def bmsd(self, *words: str, status: int = 0) -> str:
        """What a command says, on both outputs; its exit status must be `status`."""
        assert self.daemon
        result = self.daemon.command(*words)
        said = result.stdout + result.stderr
        self.assertEqual(result.returncode, status, f"bmsd {' '.join(words)}: {said}")
        return said

    def bmsd_says(self, *words: str, shows: str) -> str:
        """Waits until a command has the text: the trail is written a moment after the reply."""
        daemon = self.daemon
        assert daemon

        def answer() -> str | None:
            result = daemon.command(*words)
            return result.stdout if result.returncode == 0 and shows in result.stdout else None

        try:
            return wait_until(f"{shows!r}", answer, 10)
        except Failure:
            self.fail(f"no {shows!r}: {daemon.command(*words)}")

    def line_of(self, key: str) -> str:
        """Where a key stands, as `bms.conf:27`."""
        assert self.daemon
        lines = self.daemon.configuration.read_text().splitlines()
        number = next(i for i, line in enumerate(lines, 1) if line.startswith(f"{key} ="))
        return f"bms.conf:{number}"

    def send(
        self, client: SMTPConversation, mark: str, sender: str = "ann@example.com",
        recipient: str = "bob@example.org",
    ) -> Reply:
        """Sends a message and returns the reply that decided."""
        for step in (lambda: client.mail(sender), lambda: client.rcpt(recipient)):
            if (reply := step()).code >= 400:
                return reply
        return client.data(message(mark))

    def assert_greylisted(self, reply: Reply) -> str:
        self.assertEqual(reply.code, 451, reply.text)
        self.assertRegex(reply.text, r"Greylisted, please try again in \d+ minute")
        assert reply.reference
        return reply.reference


class Greylisted:
    """The same for every mail server; `begin` starts it, `visitor` is a client with a HELO name."""

    def test_greylisted_explained_and_passed(self) -> None:
        self.begin(GREYLIST)
        reference = self.assert_greylisted(self.send(self.visitor("mx.example.com"), "first"))
        self.bmsd_says(
            "explain", reference, shows="bmsd greylist pass ann@example.com bob@example.org")
        self.assert_greylisted(self.send(self.visitor("mx.example.com"), "second"))
        self.assertIn("1 triplet", self.bmsd(
            "greylist", "pass", "ann@example.com", "bob@example.org"))
        self.assert_accepted(self.send(self.visitor("mx.example.com"), "third"))
        self.sink.wait_for("third")
        self.assert_greylisted(self.send(
            self.visitor("mx.example.com"), "other", "eve@example.com"))
        self.assertEqual(self.sink.find("first") + self.sink.find("other"), [])

    def test_scope_recipient_defers_one_of_two(self) -> None:
        self.begin(GREYLIST, {"greylist": {"scope": "recipient"}})
        client = self.visitor("mx.example.com")
        self.assert_greylisted(self.refused_recipient(client))
        self.bmsd("greylist", "pass", "ann@example.com", "bob@example.org")
        self.assert_accepted(client.rcpt("bob@example.org"))
        self.assert_greylisted(client.rcpt("carl@example.org"))
        self.assert_accepted(client.data(message("half")))
        self.assertEqual(self.sink.wait_for("half")[0].recipients, (b"bob@example.org",))

    def test_observe_learns_and_never_defers(self) -> None:
        self.begin({"greylist": {"mode": "observe", "time": "1m"}})
        self.assert_accepted(self.send(self.visitor("mx.example.com"), "observed"))
        self.bmsd_says("greylist", "list", "--passed", shows="ann@example.com")
        self.daemon.reload(settings={"greylist": {"mode": "enforce"}})
        self.assert_accepted(self.send(self.visitor("mx.example.com"), "known"))
        self.assert_greylisted(self.send(
            self.visitor("mx.example.com"), "unknown", "eve@example.com"))


class Banned:
    """The same for every mail server."""

    def test_ban_is_earned_and_lifted(self) -> None:
        self.begin(BANS)
        client = self.visitor(OWN_NAME)
        self.assert_refused(self.refused_recipient(client), "Your name is not")
        self.assertNotIn(STRANGER, self.bmsd("ban", "list"))
        client.ehlo(OWN_NAME)
        self.refused_recipient(client)
        client.quit()
        self.assertIn("10 demerits", self.bmsd("ban", "list"))
        client = self.visitor("mx.example.com")
        reference = self.assert_refused(self.refused_recipient(client), "You are banned")
        client.quit()
        self.bmsd_says("explain", reference, shows=f"bmsd ban remove {STRANGER}")
        self.bmsd("ban", "remove", STRANGER)
        self.assert_delivers(self.visitor("mx.example.com"), "forgiven")
        self.bmsd("ban", "remove", STRANGER, status=1)

    def test_a_ban_that_is_lifted_stays_lifted(self) -> None:
        """Also while the client that earned it is still there."""
        self.begin(BANS)
        client = self.visitor(OWN_NAME)
        self.refused_recipient(client)
        client.ehlo(OWN_NAME)
        self.refused_recipient(client)
        self.bmsd("ban", "remove", STRANGER)
        client.quit()
        self.assert_delivers(self.visitor("mx.example.com"), "forgiven")
        self.assertNotIn(STRANGER, self.bmsd("ban", "list"))

    def test_ban_and_allow_by_hand(self) -> None:
        self.begin(BANS)
        self.assert_refused(self.refused_recipient(self.visitor(STRANGER)), "bare IP address")
        self.bmsd("ban", "add", STRANGER, "--reason", "spam")
        self.assert_refused(self.refused_recipient(self.visitor("mx.example.com")), "banned")
        self.bmsd("allow", "add", STRANGER)
        self.assert_delivers(self.visitor(STRANGER), "allowed")
        self.bmsd("allow", "remove", STRANGER)
        self.assert_refused(self.refused_recipient(self.visitor("mx.example.com")), "banned")


class PostfixMemory(Remembering, PostfixTestCase):
    def begin(self, *settings: Settings) -> None:
        self.start(self.remembering(*settings))

    def visitor(self, helo: str) -> SMTPConversation:
        return self.client(STRANGER, helo=helo)


class SendmailMemory(Remembering, SendmailTestCase):
    def begin(self, *settings: Settings) -> None:
        self.start(self.remembering(*settings))

    def visitor(self, helo: str) -> SMTPConversation:
        return self.client(STRANGER, helo=helo)


class PostfixGreylist(Greylisted, PostfixMemory):
    pass


class SendmailGreylist(Greylisted, SendmailMemory):
    pass


class PostfixBans(Banned, PostfixMemory):
    pass


class SendmailBans(Banned, SendmailMemory):
    pass


class Asking(PostfixMemory):
    """explain, log, status and reload."""

    def test_explain_a_refusal(self) -> None:
        self.begin()
        client = self.visitor(OWN_NAME)
        reference = self.assert_refused(self.refused_recipient(client), "Your name is not")
        client.quit()
        told = self.bmsd_says("explain", reference.lower(), shows=reference)
        self.assertIn("helo at HELO for <bob@example.org>: refused it", told)
        self.assertIn(f"helo.hello_blacklist ({self.line_of('hello_blacklist')})", told)
        self.assertIn(f"bmsd allow add {STRANGER}", told)
        self.bmsd("explain", "ZZZZZZZZZZ", status=1)

    def test_explain_by_queue_id_and_message_id(self) -> None:
        self.begin()
        reply = self.send(self.visitor("mx.example.com"), "passed")
        self.assert_accepted(reply)
        assert reply.queue_id
        for name in (reply.queue_id, "<passed@example.com>", "passed@example.com"):
            with self.subTest(name):
                told = self.bmsd_says("explain", name, shows="It was accepted")
                self.assertIn(reply.queue_id, told)

    def test_log_of_what_would_be(self) -> None:
        self.begin({"helo": {"mode": "observe"}})
        self.assert_accepted(self.send(self.visitor("mx.example.com"), "good", "good@example.com"))
        self.assert_accepted(self.send(self.visitor(OWN_NAME), "bad", "bad@example.com"))
        told = self.bmsd_says("log", "--would", shows="<bad@example.com>")
        self.assertIn("own-name", told)
        self.assertNotIn("good@example.com", told)
        self.bmsd_says("log", shows="good@example.com")
        entry, = self.bmsd("log", "--would", "--json").splitlines()
        self.assertIn("bad@example.com", json.dumps(json.loads(entry)))

    def test_status(self) -> None:
        self.begin(GREYLIST)
        self.assertIn("greylist=enforce", self.bmsd("status"))
        self.daemon.stop()
        self.bmsd("status", status=69)
        self.bmsd("reload", status=69)

    def test_reload_of_a_broken_file(self) -> None:
        """Fault 7: the running configuration stays."""
        self.begin()
        whole = self.daemon.configuration.read_text()
        self.daemon.configuration.write_text(whole + "nonsense = 1\n")
        last = len(whole.splitlines()) + 1
        self.assertIn(f"bms.conf:{last}: ", self.bmsd("reload", status=78))
        self.assert_refused(self.refused_recipient(self.visitor(OWN_NAME)), "Your name is not")
        self.assert_delivers(self.visitor("mx.example.com"), "served")
        self.daemon.configuration.write_text(whole)
        self.bmsd("reload")


class Trouble(PostfixMemory):
    """Killed, and without room."""

    CLIENTS = 20

    def test_killed_under_load_it_forgets_nothing_it_told(self) -> None:
        """Fault 6: no triplet that a client was told of is gone."""
        self.begin(GREYLIST, {"trail": {"keep": "1d"}})
        told: list[str] = []
        enough, over = threading.Event(), threading.Event()

        def work(number: int) -> None:
            attempt = 0
            while not over.is_set():
                attempt += 1
                name = "".join(chr(97 + int(digit)) for digit in f"{number:02}{attempt:05}")
                sender = f"{name}@example.com"
                try:
                    with self.client(f"198.51.{number}.7", name="mx.example.net") as client:
                        reply = self.send(client, name, sender)
                except (AssertionError, OSError):
                    continue
                if "Greylisted" in reply.text:
                    told.append(sender)
                    if len(told) > 200:
                        enough.set()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            self.assertTrue(enough.wait(30), f"only {len(told)} were greylisted")
            assert self.daemon.program
            self.daemon.program.send(signal.SIGKILL)
            self.daemon.wait()
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
        self.daemon.start()
        self.bmsd("status")
        listed = [
            json.loads(line)["sender"]
            for line in self.bmsd("greylist", "list", "--limit", "100000", "--json").splitlines()
        ]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertEqual(set(told) - set(listed), set())
        for name in ("bms.db", "trail.db"):
            with sqlite3.connect(self.folder / name) as database:
                self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        self.bmsd("greylist", "pass", told[0], "bob@example.org")
        number = (ord(told[0][0]) - 97) * 10 + ord(told[0][1]) - 97
        client = self.client(f"198.51.{number}.7")
        self.assert_accepted(self.send(client, "after-all", told[0]))
        self.sink.wait_for("after-all")

    def test_full_disk(self) -> None:
        """Fault 16: mail flows on a full disk."""
        disk = self.small_disk()
        self.begin(GREYLIST, {
            "store": {"path": f"{disk}/bms.db", "min_free": "0"},
            "trail": {"path": f"{disk}/trail.db"},
        })
        self.assert_greylisted(self.send(self.visitor("mx.example.com"), "room"))
        self.bmsd("status")
        with open(disk / "ballast", "wb", buffering=0) as ballast:
            try:
                while ballast.write(bytes(512)):
                    pass
            except OSError:
                pass
        for number in range(30):
            # What can no longer be remembered is let through.
            client, sender = self.visitor("mx.example.com"), f"ann@{'x' * 40}{number}.example"
            reply = self.send(client, f"full-{number}.", sender)
            self.assertIn(reply.code, (250, 451), reply.text)
            if reply.code == 250:
                break
        self.assert_accepted(reply)
        self.sink.wait_for("full-")
        wait_until("status to be degraded", lambda: self.daemon.command("status").returncode == 1)
        self.assertRegex(self.bmsd("status", status=1), r"(?i)disk|full|room|space")

    def test_disk_that_becomes_read_only(self) -> None:
        disk = self.failing_disk()
        self.begin(GREYLIST, {
            "store": {"path": f"{disk}/bms.db", "min_free": "0"},
            "trail": {"path": f"{disk}/trail.db"},
        })
        self.assert_greylisted(self.send(self.visitor("mx.example.com"), "writable"))
        self.bmsd("ban", "add", "203.0.113.9")
        self.bmsd("status")
        device = disk.stat().st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        try:
            Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("as a broken disk does")
        except OSError as error:
            self.skipTest(f"the kernel makes no errors on demand: {error}")
        with self.assertRaises(OSError) as refused:
            (disk / "file").write_text("x")
        self.assertIn(refused.exception.errno, (errno.EROFS, errno.EIO))
        for number in range(30):
            began = time.monotonic()
            reply = self.send(
                self.visitor("mx.example.com"), f"read-only-{number}.", f"ann@{number}.example")
            self.assertLess(time.monotonic() - began, 5)
            self.assertIn(reply.code, (250, 451), reply.text)
            if reply.code == 250:
                break
        self.assert_accepted(reply)
        self.sink.wait_for("read-only-")
        wait_until("status to be degraded", lambda: self.daemon.command("status").returncode == 1)
        # The lists are in memory: what held before holds still.
        client = self.client("203.0.113.9")
        self.assertIn(self.refused_recipient(client).code, (250, 451, 550))

    def test_import_of_a_million_triplets(self) -> None:
        """With progress, and no mail is delayed meanwhile."""
        self.begin(GREYLIST)
        now = int(time.time())
        file = self.folder / "large.csv"
        with open(file, "w") as lines:
            lines.write("origin,sender,recipient,first,last,passed,umis,tries\n")
            for n in range(1_000_000):
                lines.write(
                    f"10.{n * 7919 % 251}.{n % 256}.0/24,s{n}@example{n % 977}.com,*,"
                    f"{now - 3600},{now},2,,3\n"
                )
        terminal, end = pty.openpty()
        self.addCleanup(os.close, terminal)
        began = time.monotonic()
        command = subprocess.Popen(
            [os.environ["BMSD"], "greylist", "import", str(file),
             "--config", str(self.daemon.configuration)],
            stdout=subprocess.PIPE, stderr=end, text=True,
        )
        self.addCleanup(command.kill)
        os.close(end)
        shown: list[bytes] = []

        def read() -> None:
            try:
                while chunk := os.read(terminal, 65536):
                    shown.append(chunk)
            except OSError:
                pass

        reader = threading.Thread(target=read)
        reader.start()
        waits: list[float] = []
        while command.poll() is None:
            # Postfix itself delays a client that makes errors: each mail on its own connection.
            with self.visitor("mx.example.com") as client:
                self.assert_accepted(client.mail(f"new@{self.word(len(waits))}.example"))
                before = time.monotonic()
                self.assert_accepted(client.rcpt("bob@example.org"))
                reply = client.command("DATA")
                waits.append(time.monotonic() - before)
                self.assertEqual(reply.code, 451, reply.text)
        took = time.monotonic() - began
        reader.join(10)
        assert command.stdout
        self.assertEqual(command.returncode, 0, b"".join(shown))
        self.assertEqual(
            command.stdout.read(), "1000000 triplets taken, 0 too old, 0 faulty of 1000000\n")
        command.stdout.close()
        self.assertGreater(len(re.findall(rb"\r\d+", b"".join(shown))), 3)
        # Postfix takes a second of its own over some refusals: bmsd's part is in its trail.
        times = [json.loads(line) for line in self.bmsd("stats", "--json").splitlines()]
        slowest = next(
            row["max_us"] for row in times
            if row["kind"] == "time" and (row["stage"], row["module"]) == ("data", "greylist")
        )
        print(
            f"import of 1,000,000 triplets: {took:.0f} s; {len(waits)} mails meanwhile, the slowest "
            f"check took {slowest / 1000:.1f} ms"
        )
        self.assertLess(slowest, 1_000_000)
        self.assertGreater(len(waits), 50)
        self.assertLess(max(waits), 5)
        self.bmsd("status")

    @staticmethod
    def word(number: int) -> str:
        """A name without digits, which are folded."""
        return "".join(chr(97 + int(digit)) for digit in f"{number:06}")

    def failing_disk(self) -> Path:
        """A small file system that the kernel makes read-only when it meets an error."""
        if not shutil.which("mkfs.ext4"):
            self.skipTest("there is no mkfs.ext4")
        image = self.folder / "image"
        with open(image, "wb") as file:
            file.truncate(32 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
        disk = self.own_mounts()
        result = subprocess.run(
            ["mount", "-o", "loop,errors=remount-ro", str(image), str(disk)],
            capture_output=True, text=True,
        )
        if result.returncode:
            self.skipTest(result.stderr.strip())
        return disk

    def small_disk(self) -> Path:
        """One megabyte."""
        disk = self.own_mounts()
        options = "size=1m,mode=700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", str(disk)], check=True)
        return disk

    def own_mounts(self) -> Path:
        """A folder; what is mounted there only this thread and what it starts can see."""
        libc = ctypes.CDLL(None, use_errno=True)
        disk = self.folder / "disk"
        disk.mkdir()
        outside = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        self.addCleanup(os.close, outside)
        # A thread may have a mount namespace of its own only without sharing its working folder.
        if libc.unshare(0x00020000 | 0x200):
            self.skipTest(os.strerror(ctypes.get_errno()))

        def back() -> None:
            folder = os.getcwd()
            libc.setns(outside, 0x00020000)
            os.chdir(folder)

        self.addCleanup(back)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        return disk


if __name__ == "__main__":
    unittest.main()
