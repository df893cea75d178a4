# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""bmsd's package in a Debian of its own, behind that Debian's Postfix."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from support import MailTestCase, message
from mta import (
    Failure, Machine, MailSink, PROJECT, PrivateNetwork, Reply, SMTPConversation, executable,
    wait_until,
)

CONFIGURATION = "/etc/mail/bms.conf"


_packages = tempfile.TemporaryDirectory(prefix="bmsd-deb.")


@cache
def package(revision: int = 1) -> Path:
    """The package of the bmsd under test, built as `make deb` does, compressed for speed."""
    result = subprocess.run(
        [str(PROJECT / "Tests" / "Tools" / "build-deb"),
         f"{_packages.name}/{revision}"],
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "BMSD": str(executable()), "DEB_REVISION": str(revision),
             "COMPRESSION": "gzip"},
    )
    if result.returncode:
        raise Failure(result.stderr)
    return Path(result.stdout.strip())


class MachineTestCase(MailTestCase):
    """A booted Debian with Postfix, not yet with bmsd."""

    systemd = True

    def setUp(self) -> None:
        super().setUp()
        network = PrivateNetwork()
        self.addCleanup(network.close)
        self.machine = Machine(self.folder, network, self.systemd)
        self.addCleanup(self.machine.stop)
        try:
            self.machine.start()
        except Failure as failure:
            if not self.systemd:
                raise
            self.skipTest(f"systemd does not run in a namespace here: {failure}")
        with network.entered():
            self.sink = MailSink()
        self.addCleanup(self.sink.stop)
        self.postconf(
            "maillog_file=/var/log/mail.log", "mydestination=", "relay_domains=example.org",
            f"relay_transport=smtp:[127.0.0.1]:{self.sink.port}", "smtp_dns_support_level=disabled",
            "smtp_host_lookup=native", "smtpd_authorized_xclient_hosts=127.0.0.1",
            "smtpd_tls_security_level=none", "inet_protocols=ipv4",
        )

    def diagnosis(self) -> str:
        if not hasattr(self, "machine"):
            return super().diagnosis()
        log = self.machine.run("sh", "-c", "tail -n 30 /var/log/mail.log; journalctl -u bmsd -n 30")
        return f"{super().diagnosis()}\n{log.stdout}"

    # bmsd

    def install(self, revision: int = 1) -> str:
        """What the README says, with a file that is in the machine already."""
        deb = self.machine.put(package(revision), "/root")
        return self.machine.must("apt-get", "install", "-qq", "--allow-downgrades", deb)

    def edit(self, old: str, new: str) -> None:
        path = self.machine.path(CONFIGURATION)
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1))

    def pid(self) -> int:
        """The daemon's process id in the machine; 0 when none runs."""
        return int(self.machine.must("systemctl", "show", "-P", "MainPID", "bmsd.service"))

    def wait_for_journal(self, pattern: str) -> None:
        """Until the daemon's log says it: journald shows a line some time after it was written."""
        wait_until(
            f"{pattern!r} in the journal",
            lambda: re.search(pattern, self.machine.run("journalctl", "-u", "bmsd").stdout),
        )

    # Postfix

    def postconf(self, *settings: str) -> None:
        self.machine.must("postconf", "-e", *settings)
        self.restart_postfix()

    def restart_postfix(self) -> None:
        self.machine.run("postfix", "stop")
        self.machine.must("postfix", "start")

    def wire(self) -> list[str]:
        """Writes to main.cf what `bmsd config mta` prints for it, and nothing else."""
        said = self.machine.must("bmsd", "config", "mta")
        postfix, _, sendmail = said.partition("\n\n")
        self.assertIn("main.cf", postfix)
        self.assertIn("INPUT_MAIL_FILTER", sendmail)
        with open(self.machine.path("/etc/postfix/main.cf"), "a") as file:
            file.write(postfix + "\n")
        self.restart_postfix()
        return [line for line in postfix.splitlines() if not line.startswith("#")]

    # Mail

    def client(self, address: str = "192.0.2.7", helo: str = "mx.example.com") -> SMTPConversation:
        with self.machine.network.entered():
            client = SMTPConversation(25)
        self.addCleanup(client.close)
        client.xclient(ADDR=address, NAME="mx.example.com", REVERSE_NAME="mx.example.com")
        client.ehlo(helo)
        return client

    def send(
        self, mark: str, helo: str = "mx.example.com", recipient: str = "bob@example.org"
    ) -> Reply:
        """Sends a message; the reply that decided."""
        with self.client(helo=helo) as client:
            for step in (
                lambda: client.mail("ann@example.com"), lambda: client.rcpt(recipient),
                lambda: client.data(message(mark)),
            ):
                if (reply := step()).code >= 400:
                    break
            return reply

    def assert_passes(self, mark: str, filtered: bool, **options: str) -> None:
        """The mail arrives, and bmsd's trail knows of it or does not."""
        self.assert_accepted(self.send(mark, **options))
        self.sink.wait_for(mark)
        question = f"<{mark}@example.com>"
        if filtered:
            known = lambda: self.machine.run("bmsd", "explain", question).returncode == 0
            wait_until(f"{mark} in the trail", known)
        else:
            self.assertNotEqual(self.machine.run("bmsd", "explain", question).returncode, 0)
