# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A Postfix of our own: its own configuration, queue, log and port, gone without a trace."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from .packages import PostfixPrograms, map_plugins
from .passwords import PasswordService
from .processes import Failure, wait_until
from .sandbox import Sandbox

DOMAIN = "example.org"
"""The domain that the private servers accept mail for."""

_OWNED = "active bounce corrupt defer deferred flush hold incoming private saved trace"


class PrivatePostfix:
    """Postfix on a loopback port that filters with a milter and delivers everything to a sink.

    `milter` is spelled as Postfix wants it (`inet:127.0.0.1:8899`, `unix:bms/bms.sock`). With
    `chroot` smtpd and cleanup are confined to the queue folder as Debian's are, and a relative
    unix socket is looked for in there. `users` are those who may AUTH, with their passwords. A
    client on 127.0.0.1 may pose as any other by XCLIENT."""

    def __init__(
        self,
        folder: Path,
        smtp_port: int,
        *,
        sink_port: int,
        milter: str | None = None,
        chroot: bool = False,
        submission_port: int | None = None,
        users: dict[str, str] | None = None,
        settings: dict[str, str] | None = None,
        unpacked: bool | None = None,
    ) -> None:
        self.folder = folder
        self.users = users
        self.smtp_port = smtp_port
        self.submission_port = submission_port
        self.milter = milter
        self.chroot = chroot
        self.programs = PostfixPrograms.find(unpacked)
        self.configuration = folder / "conf"
        self.queue = folder / "queue"
        self.maillog = folder / "mail.log"
        self._passwords: PasswordService | None = None
        self._settings = {**self._defaults(sink_port), **(settings or {})}
        self.sandbox = Sandbox(folder / "sandbox")
        self.sandbox.environment = self.programs.environment
        self._prepare()

    # The configuration

    def _defaults(self, sink_port: int) -> dict[str, str]:
        programs, deliver = self.programs, f"smtp:[127.0.0.1]:{sink_port}"
        milters = self.milter or ""
        return {
            "compatibility_level": "3.6",
            "queue_directory": str(self.queue),
            "data_directory": str(self.folder / "data"),
            "command_directory": str(programs.commands),
            "daemon_directory": str(programs.daemons),
            "shlib_directory": str(programs.libraries),
            "meta_directory": str(programs.metadata),
            "import_environment": "MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH",
            "export_environment": "MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH",
            "maillog_file": str(self.maillog),
            "maillog_file_prefixes": str(self.folder),
            "syslog_name": "private-postfix",
            "myhostname": f"mail.{DOMAIN}",
            "mydomain": DOMAIN,
            "myorigin": DOMAIN,
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "mydestination": "",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "relay_domains": DOMAIN,
            "relay_transport": deliver,
            "default_transport": deliver,
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "smtpd_relay_restrictions":
                "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_authorized_xclient_hosts": "127.0.0.1",
            "smtpd_milters": milters,
            "non_smtpd_milters": milters,
            "milter_default_action": "tempfail",
            "smtpd_sasl_auth_enable": "yes" if self.users else "no",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": "auth",
        }

    def _prepare(self) -> None:
        owner, owners_group = self.sandbox.add_user("postfix")
        drop = self.sandbox.add_group("postdrop")
        self.configuration.mkdir()
        self.queue.mkdir(mode=0o755)
        (self.queue / "pid").mkdir(mode=0o755)
        for name in _OWNED.split():
            self._folder(self.queue / name, 0o700, owner, owners_group)
        self._folder(self.queue / "maildrop", 0o730, owner, drop)
        self._folder(self.queue / "public", 0o710, owner, drop)
        self._folder(self.folder / "data", 0o700, owner, owners_group)
        self._write()

    @staticmethod
    def _folder(path: Path, mode: int, uid: int, gid: int) -> None:
        path.mkdir()
        os.chown(path, uid, gid)
        path.chmod(mode)

    def _write(self) -> None:
        lines = [f"{name} = {value}" for name, value in self._settings.items()]
        for name, text in (("main.cf", "\n".join(lines) + "\n"), ("master.cf", self._services())):
            path = self.configuration / name
            path.write_text(text)
            past = time.time() - 60
            os.utime(path, (past, past))  # Postfix waits two seconds for a younger one to settle

    def _services(self) -> str:
        jail = "y" if self.chroot else "n"
        lines = [f"127.0.0.1:{self.smtp_port} inet n - {jail} - - smtpd"]
        if self.submission_port:
            lines.append(
                f"127.0.0.1:{self.submission_port} inet n - {jail} - - smtpd\n"
                "  -o syslog_name=private-postfix/submission\n"
                "  -o milter_macro_daemon_name=ORIGINATING"
            )
        lines += [
            "postlog unix-dgram n - n - 1 postlogd",
            "pickup unix n - n 60 1 pickup",
            f"cleanup unix n - {jail} - 0 cleanup",
            "qmgr unix n - n 300 1 qmgr",
            "rewrite unix - - n - - trivial-rewrite",
            "proxymap unix - - n - - proxymap",
            "anvil unix - - n - 1 anvil",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce",
            "flush unix n - n 1000? 0 flush",
            "showq unix n - n - - showq",
            "error unix - - n - - error",
            "retry unix - - n - - error",
            "discard unix - - n - - discard",
            "smtp unix - - n - - smtp",
        ]
        return "\n".join(lines) + "\n"

    # Its life

    def start(self) -> PrivatePostfix:
        """Starts Postfix and returns when its ports listen."""
        master = [str(self.programs.daemons / "master"), "-s", "-c", str(self.configuration)]
        if self.users:
            self._passwords = PasswordService(self.queue / "auth", self.users)
        self.sandbox.start(master, self.folder / "master.out")
        self.wait_for_log(r"master\[\d+\]: daemon started")
        return self

    def reload(self, **settings: str) -> None:
        """Changes settings of main.cf and has the running Postfix read them."""
        before = len(re.findall("reload -- version", self.log()))
        self._settings.update(settings)
        self._write()
        self.sandbox.send(signal.SIGHUP)
        wait_until(
            "Postfix to reload",
            lambda: len(re.findall("reload -- version", self.log())) > before,
        )

    def stop(self) -> None:
        self.sandbox.stop()
        if self._passwords:
            self._passwords.stop()
            self._passwords = None

    def __enter__(self) -> PrivatePostfix:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What it does

    def log(self) -> str:
        return self.maillog.read_text(errors="replace") if self.maillog.exists() else ""

    def wait_for_log(self, pattern: str) -> str:
        """Waits for a line of the log that matches and returns it."""
        return self.sandbox.wait_for_log(pattern, "Postfix's log", self.log)

    def command(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Runs one of Postfix's commands, e.g. `postqueue -f`, on this instance."""
        name, *arguments = words
        program = str(self.programs.commands / name)
        return self.sandbox.run(
            [program, *arguments], stdin, {"MAIL_CONFIG": str(self.configuration)}
        )

    def make_map(self, kind: str, source: Path) -> subprocess.CompletedProcess[bytes]:
        """Makes a map of a text file by postmap, which needs to be told of its plug-ins."""
        folder = self.folder / "maps"
        folder.mkdir(exist_ok=True)
        settings = {**self._settings, "meta_directory": str(folder)}
        (folder / "main.cf").write_text(
            "".join(f"{name} = {value}\n" for name, value in settings.items()))
        (folder / "dynamicmaps.cf").write_text(
            "".join(
                f"{kind} {plugin} dict_{kind}_open mkmap_{kind}_open\n"
                for kind, plugin in map_plugins().items()))
        program = str(self.programs.commands / "postmap")
        return self.sandbox.run(
            [program, "-c", str(folder), f"{kind}:{source}"], b"", {"MAIL_CONFIG": str(folder)}
        )

    def queued(self) -> list[dict[str, object]]:
        """The messages in the queue, as `postqueue -j` shows them."""
        shown = self.command("postqueue", "-j")
        if shown.returncode:
            raise Failure(shown.stdout.decode(errors="replace"))
        return [json.loads(line) for line in shown.stdout.splitlines()]

    def submit(self, sender: str, recipient: str, message: bytes) -> None:
        """Hands a message to the sendmail command, as programs on the machine do."""
        result = self.command("sendmail", "-i", "-f", sender, recipient, stdin=message)
        if result.returncode:
            raise Failure(f"sendmail: {result.stdout.decode(errors='replace')}")
