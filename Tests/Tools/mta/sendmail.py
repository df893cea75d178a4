# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""A Sendmail of our own, unpacked beside whatever mail server the machine has."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

from .packages import SendmailPrograms
from .processes import Failure, wait_until
from .sandbox import Sandbox

DOMAIN = "example.org"

_CONFIGURATION = """\
divert(-1)
include(`{macros}/m4/cf.m4')
VERSIONID(`private')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mail.{domain}')
define(`confLDAP_DEFAULT_SPEC')
define(`QUEUE_DIR', `{queue}')
define(`STATUS_FILE', `{folder}/statistics')
define(`confHOST_STATUS_DIRECTORY')
define(`confPID_FILE', `{folder}/sendmail.pid')
define(`confCONTROL_SOCKET_NAME')
define(`confSERVICE_SWITCH_FILE', `{folder}/service.switch')
define(`confHOSTS_FILE', `/etc/hosts')
define(`confPROCESS_TITLE_PREFIX', `private')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')
define(`confTO_IDENT', `0')
define(`confTO_ICONNECT', `5s')
define(`confTRY_NULL_MX_LIST', `False')
define(`confPRIVACY_FLAGS', `noexpn,novrfy')
define(`confCONNECTION_RATE_THROTTLE', `0')
define(`confMAX_RCPTS_PER_MESSAGE', `1000')
define(`confBAD_RCPT_THROTTLE', `0')
define(`confLOG_LEVEL', `14')
define(`confTEMP_FILE_MODE', `0600')
dnl
define(`SMART_HOST', `relay:[127.0.0.1]')
define(`RELAY_MAILER_ARGS', `TCP $h {sink_port}')
FEATURE(`no_default_msa')
FEATURE(`nouucp', `reject')
FEATURE(`accept_unqualified_senders')
FEATURE(`accept_unresolvable_domains')
FEATURE(`relay_entire_domain')
FEATURE(`nocanonify')
RELAY_DOMAIN(`{domain}')
DAEMON_OPTIONS(`Port={port}, Addr=0.0.0.0, Name=MTA')
{milter}
MAILER(`smtp')
"""


class PrivateSendmail:
    """Sendmail on a port that filters with a milter and delivers everything to a sink.

    `milter` is spelled as Sendmail wants it (`inet:8899@127.0.0.1`, `local:/path`). It listens on
    every address of its network: start it inside a `PrivateNetwork` (`entered()`), sink included.
    `macros` are lines of sendmail.mc in place of `milter`.
    `hosts` are further lines of /etc/hosts, and the only answers to its name look-ups."""

    def __init__(
        self,
        folder: Path,
        smtp_port: int,
        *,
        sink_port: int,
        milter: str | None = None,
        hosts: dict[str, str] | None = None,
        macros: str | None = None,
    ) -> None:
        self.folder = folder
        self.smtp_port = smtp_port
        self.programs = SendmailPrograms.find()
        self.queue = folder / "queue"
        self.maillog = folder / "mail.log"
        self.sandbox = Sandbox(folder / "sandbox", hostname=f"mail.{DOMAIN}")
        for user in ("smmta", "smmsp"):
            self.sandbox.add_user(user)
        self.sandbox.add_host("127.0.0.1", f"mail.{DOMAIN}", "mail")
        for address, name in (hosts or {}).items():
            self.sandbox.add_host(address, name)
        self._prepare(sink_port, macros or self._filter(milter))

    @staticmethod
    def _filter(milter: str | None) -> str:
        return f"INPUT_MAIL_FILTER(`bms', `S={milter}, F=T')" if milter else "dnl"

    def _prepare(self, sink_port: int, filters: str) -> None:
        self.queue.mkdir(mode=0o700)
        (self.folder / "statistics").touch()
        (self.folder / "service.switch").write_text("hosts files\naliases files\n")
        self.configuration = self.folder / "sendmail.cf"
        source = _CONFIGURATION.format(
            macros=self.programs.macros,
            domain=DOMAIN,
            queue=self.queue,
            folder=self.folder,
            sink_port=sink_port,
            port=self.smtp_port,
            milter=filters,
        )
        made = subprocess.run(
            ["m4", f"-D_CF_DIR_={self.programs.macros}/", "-"],
            input=source.encode(),
            capture_output=True,
        )
        if made.returncode or made.stderr:
            raise Failure(f"m4: {made.stderr.decode()}")
        self.configuration.write_bytes(made.stdout)

    def start(self) -> PrivateSendmail:
        """Starts Sendmail and returns when its port listens."""
        self._listen_to_log()
        command = [str(self.programs.sendmail), "-bD", "-q1m", "-C", str(self.configuration)]
        self.sandbox.start(command, self.folder / "sendmail.out")
        self.wait_for_log(r"started as:|daemon MTA.*listening|starting daemon")
        wait_until("Sendmail's port", self._listens)
        return self

    def _listens(self) -> bool:
        assert self.sandbox.program
        self.sandbox.program.check()
        table = Path(f"/proc/{self.sandbox.program.pid}/net/tcp").read_text()
        return re.search(rf":{self.smtp_port:04X} \S+ 0A ", table) is not None

    def _listen_to_log(self) -> None:
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.sandbox.folder / "log"
        log.bind(str(path))
        path.chmod(0o666)
        self._log_socket = log
        threading.Thread(target=self._copy_log, args=(log,), daemon=True).start()

    def _copy_log(self, log: socket.socket) -> None:
        with open(self.maillog, "ab", buffering=0) as file:
            while True:
                try:
                    line = log.recv(65536)
                except OSError:
                    return
                file.write(re.sub(rb"^<\d+>", b"", line).rstrip(b"\0\n") + b"\n")

    def reload(self) -> None:
        self.sandbox.send(signal.SIGHUP)

    def stop(self) -> None:
        self.sandbox.stop()
        self._log_socket.close()

    def __enter__(self) -> PrivateSendmail:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> str:
        return self.maillog.read_text(errors="replace") if self.maillog.exists() else ""

    def wait_for_log(self, pattern: str) -> str:
        """Waits for a line of the log that matches and returns it."""
        return self.sandbox.wait_for_log(pattern, "Sendmail's log", self.log)
