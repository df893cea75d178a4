# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""`make deb`: what the package holds, and its life on a clean Debian.

`UnderSystemd` boots systemd as process 1 of a Debian in memory, so that the whole sandbox of
bmsd.service is what the daemon runs under. Where systemd cannot be booted these tests are skipped,
and `WithoutSystemd` remains, which tries what can be had by unshare and setpriv: User=, Group=, the
empty CapabilityBoundingSet=, NoNewPrivileges=, ProtectSystem=strict with its writable folders,
ProtectHome=, PrivateTmp=, UMask=, LimitNOFILE=, and the socket unit by systemd-socket-activate. Not
tried there: whatever needs seccomp (SystemCallFilter=, RestrictAddressFamilies=,
MemoryDenyWriteExecute=, RestrictNamespaces=, RestrictRealtime=, RestrictSUIDSGID=,
LockPersonality=), PrivateUsers=, PrivateDevices=, ProtectProc=, ProcSubset= and the further
Protect... settings.
"""

from __future__ import annotations

import re
import resource
import sqlite3
import subprocess
import threading
import unittest

from machines import CONFIGURATION, MachineTestCase, package
from mta import Failure, PROJECT, Reply, executable, wait_until

NUMERIC = "HELO name must not be a bare IP address"
REFUSED = "192.0.2.7"
"""A HELO name that [helo] refuses."""


class Package(unittest.TestCase):
    def said(self, *words: str) -> str:
        result = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
        )
        self.assertEqual(result.returncode, 0, result.stdout)
        return result.stdout

    def field(self, name: str) -> str:
        return self.said("dpkg-deb", "--field", str(package()), name).strip()

    def test_lintian_finds_nothing(self) -> None:
        said = self.said("lintian", "--allow-root", "--fail-on", "error,warning", str(package()))
        tags = [line for line in said.splitlines() if re.match(r"[EWX]: ", line)]
        self.assertEqual(tags, [])

    def test_version_is_the_programs(self) -> None:
        version = self.said(str(executable()), "--version").strip()
        self.assertEqual(self.field("Version"), f"{version}-1")
        self.assertRegex(
            (PROJECT / "CHANGELOG.md").read_text(), rf"(?m)^## {re.escape(version)}( |$)"
        )

    def test_depends_on_what_the_program_links(self) -> None:
        depends = self.field("Depends")
        for name in ("libc6", "libmilter1.0.1", "libsqlite3-0", "systemd"):
            self.assertRegex(depends, rf"(^|, ){re.escape(name)}( |,|$)")

    def test_contents(self) -> None:
        listed = {
            words[5].removeprefix("."): (words[0], words[1])
            for line in self.said("dpkg-deb", "--contents", str(package())).splitlines()
            if not (words := line.split())[0].startswith("d")
        }
        for path, mode in {
            "/usr/sbin/bmsd": "-rwxr-xr-x",
            "/etc/mail/bms.conf": "-rw-r-----",
            "/etc/mail/m4/bms.m4": "-rw-r--r--",
            "/lib/systemd/system/bmsd.service": "-rw-r--r--",
            "/lib/systemd/system/bmsd.socket": "-rw-r--r--",
            "/usr/lib/sysusers.d/bms.conf": "-rw-r--r--",
            "/usr/lib/tmpfiles.d/bms.conf": "-rw-r--r--",
            "/usr/share/man/man8/bmsd.8.gz": "-rw-r--r--",
            "/usr/share/man/man5/bms.conf.5.gz": "-rw-r--r--",
            "/usr/share/bash-completion/completions/bmsd": "-rw-r--r--",
            "/usr/share/zsh/vendor-completions/_bmsd": "-rw-r--r--",
            "/usr/share/doc/bmsd/copyright": "-rw-r--r--",
            "/usr/share/doc/bmsd/changelog.gz": "-rw-r--r--",
            "/usr/share/doc/bmsd/changelog.Debian.gz": "-rw-r--r--",
            "/usr/share/doc/bmsd/README.md.gz": "-rw-r--r--",
        }.items():
            self.assertEqual(listed.get(path), (mode, "root/root"), path)
        conffiles = self.said("dpkg-deb", "--info", str(package()), "conffiles").split()
        self.assertEqual(sorted(conffiles), ["/etc/mail/bms.conf", "/etc/mail/m4/bms.m4"])


class UnderSystemd(MachineTestCase):
    def test_from_a_clean_debian_to_enforcing(self) -> None:
        machine = self.machine
        said = self.install()
        self.assertNotIn("not (re)started", said)
        for unit in ("bmsd.service", "bmsd.socket"):
            self.assertEqual(machine.must("systemctl", "is-active", unit).strip(), "active")
            self.assertEqual(machine.must("systemctl", "is-enabled", unit).strip(), "enabled")
        self.assertEqual(
            machine.must("systemd-analyze", "verify", "--man=no", "bmsd.service", "bmsd.socket"), ""
        )
        self.wait_for_journal("inherited=yes")
        for path, mode in {
            "/etc/mail/bms.conf": "640 root _bms", "/var/lib/bms": "750 _bms _bms",
            "/run/bms": "750 _bms _bms", "/var/spool/postfix/bms": "2750 _bms postfix",
            "/var/spool/postfix/bms/bms.sock": "660 _bms postfix",
            "/var/lib/bms/bms.db": "640 _bms _bms",
        }.items():
            self.assertEqual(machine.must("stat", "-c", "%a %U %G", path).strip(), mode, path)
        # Installed is not yet wired.
        self.assert_passes("unwired", filtered=False)
        # The shipped file replaces attachments: mail waits while bmsd is away.
        self.assertIn("default_action=tempfail", machine.must("bmsd", "config", "mta"))
        # While everything observes, a bmsd that is away lets mail pass.
        self.edit("[defang]\nmode = enforce", "[defang]\nmode = observe")
        self.assertIn("default_action=accept", "\n".join(self.wire()))
        self.assert_passes("observed", filtered=True, helo=REFUSED)
        # The trail is written a moment after the reply.
        wait_until(
            "the trail", lambda: "ann@example.com" in machine.must("bmsd", "log", "--would"), 10)
        # Enforced for oneself first.
        self.edit("[helo]\nmode = observe\n#only_to =", "[helo]\nmode = enforce\nonly_to = bob@example.org")
        machine.must("systemctl", "reload", "bmsd")
        reference = self.assert_refused(self.send("for-bob", REFUSED), NUMERIC)
        wait_until("the trail", lambda: machine.run("bmsd", "explain", reference).returncode == 0)
        self.assertIn("helo.reject_numeric", machine.must("bmsd", "explain", reference))
        self.assert_passes("for-ann", filtered=True, helo=REFUSED, recipient="ann@example.org")
        # From now on mail waits while bmsd is away.
        self.assertIn("default_action=tempfail", "\n".join(self.wire()))
        machine.must("systemctl", "stop", "bmsd.socket", "bmsd.service")
        self.assertEqual(self.send("away").code, 451)
        # Without the socket unit the daemon listens itself, in the same sandbox.
        machine.must("systemctl", "start", "bmsd.service")
        self.assert_passes("alone", filtered=True)
        machine.must("systemctl", "stop", "bmsd.service")
        machine.must("systemctl", "start", "bmsd.socket")
        # The first connection starts the daemon.
        self.assertEqual(self.pid(), 0)
        self.assert_passes("woken", filtered=True)
        self.assertNotEqual(self.pid(), 0)
        # A broken file is refused by the reload itself, and nothing changes.
        self.edit("[helo]\nmode = enforce", "[helo]\nmode = enfroce")
        self.assertNotEqual(machine.run("systemctl", "reload", "bmsd").returncode, 0)
        self.assert_refused(self.send("still", REFUSED), NUMERIC)

    def test_from_source(self) -> None:
        """The README's commands, but for the build."""
        machine = self.machine
        tree = self.folder / "tree"
        made = subprocess.run(
            ["make", "--silent", "-C", str(PROJECT), "install", f"DESTDIR={tree}",
             f"BMSD={executable()}"], capture_output=True, text=True,
        )
        self.assertEqual(made.returncode, 0, made.stderr)
        subprocess.run(["cp", "-r", f"{tree}/.", f"{machine.path('/')}/."], check=True)
        lines = re.findall(r"(?m)^    sudo (system.*)$", README)
        self.assertEqual(len(lines), 2)
        for line in lines:
            machine.must("sh", "-c", line.replace("sudo ", ""))
        mode = machine.must("stat", "-c", "%a %U %G", CONFIGURATION).strip()
        self.assertEqual(mode, "640 root _bms")
        self.wire()
        self.assert_passes("from-source", filtered=True)

    def test_runs_in_the_units_sandbox(self) -> None:
        self.install()
        pid = self.pid()
        status = dict(
            line.split(":\t", 1)
            for line in self.machine.must("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line
        )
        user = self.machine.must("id", "-u", "_bms").strip()
        self.assertEqual(set(status["Uid"].split()), {user})
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[kind], 16), 0, kind)
        mounts = {
            words[4]: words[5].split(",")
            for line in self.machine.must("cat", f"/proc/{pid}/mountinfo").splitlines()
            if (words := line.split())
        }
        self.assertIn("ro", mounts["/"])
        for path in ("/var/lib/bms", "/run/bms", "/var/spool/postfix/bms", "/tmp"):
            self.assertIn("rw", mounts[path], path)
        self.assertIn("/home", mounts)
        files = self.machine.must("grep", "open files", f"/proc/{pid}/limits").split()
        # Where root itself may not raise it, systemd gives what there is.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.assertEqual(files[3:5], [str(min(65536, most))] * 2)
        # A mapping of users of its own: but for itself and root everybody is nobody.
        maps = self.machine.must("cat", f"/proc/{pid}/uid_map").splitlines()
        self.assertEqual([line.split() for line in maps], [["0", "0", "1"], [user, user, "1"]])

    def under_load(self, *commands: str) -> list[str]:
        """Gives systemctl each command while two clients send without a pause.

        Returns the marks of what was accepted, all of which arrived exactly once."""
        self.install()
        self.edit("[helo]\nmode = observe", "[helo]\nmode = enforce")
        self.machine.must("systemctl", "reload", "bmsd")
        self.assertIn("default_action=tempfail", "\n".join(self.wire()))
        over = threading.Event()
        replies: list[tuple[str, Reply]] = []

        def send(name: str) -> None:
            number = 0
            while not over.is_set():
                number += 1
                mark = f"load-{name}-{number}."
                replies.append((mark, self.send(mark)))

        def accepted() -> list[str]:
            return [mark for mark, reply in replies if reply.code == 250]

        threads = [threading.Thread(target=send, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        try:
            for command in commands:
                before = self.pid()
                self.machine.must("systemctl", *command.split(), "bmsd.service")
                wait_until("the next process", lambda: self.pid() not in (0, before))
                count = len(accepted())
                wait_until("mail after that", lambda: len(accepted()) > count + 2)
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
        others = [reply for _, reply in replies if reply.code != 250]
        self.assertEqual([reply.text for reply in others if reply.code != 451], [])
        # At most what each client had under way is deferred; none is turned away.
        self.assertLessEqual(len(others), len(commands) * len(threads), [o.text for o in others])
        log = self.machine.path("/var/log/mail.log").read_text()
        self.assertNotIn("Connection refused", log)
        self.assertNotIn("connect to Milter service", log)
        marks = accepted()
        for mark in marks:
            self.assertEqual(len(self.sink.wait_for(mark)), 1, mark)
        return marks

    def test_a_restart_refuses_no_connection(self) -> None:
        marks = self.under_load("restart", "restart", "restart")

        def unknown() -> list[str]:
            said = self.machine.must("bmsd", "log", "--limit", "100000", "--json")
            return [mark for mark in marks if f"<{mark}@example.com>" not in said]

        try:
            wait_until("every mail in the trail", lambda: not unknown())
        except Failure:
            journal = self.machine.must("journalctl", "-u", "bmsd", "-o", "short-precise", "-n", "400")
            # What stands on top of them says whether bmsd saw them.
            heads = [self.sink.wait_for(mark)[0].header[:300] for mark in unknown()]
            self.fail(f"not in the trail: {unknown()}\n{heads}\n{journal}")

    def test_killed_it_is_back(self) -> None:
        # What the trail had not written yet is lost, but no mail is.
        self.under_load("kill --signal=KILL", "kill --signal=KILL")
        self.assert_passes("after", filtered=True)

    def test_out_of_memory_it_is_back(self) -> None:
        """Fault 43: the kernel kills the daemon at the limit of its unit, and systemd starts it."""
        self.install()
        self.wire()
        self.assert_passes("before", filtered=True)
        before = self.pid()
        group = self.machine.must("systemctl", "show", "-P", "ControlGroup", "bmsd.service").strip()
        if self.machine.run("test", "-e", f"/sys/fs/cgroup{group}/memory.max").returncode:
            self.skipTest("the cgroups of this machine cannot limit memory")
        limit = ("systemctl", "set-property", "--runtime", "bmsd.service")
        self.machine.must(*limit, "MemoryMax=4M")
        wait_until("the kernel to kill it", lambda: self.pid() != before)
        self.wait_for_journal("oom-kill")
        self.machine.must(*limit, "MemoryMax=infinity")
        wait_until("the next process", lambda: self.pid() not in (0, before))
        self.assert_passes("after", filtered=True)

    def test_the_group_of_the_control_socket(self) -> None:
        """The drop-in of bmsd(8), SECURITY; without it the daemon runs and says so."""
        machine = self.machine
        machine.must("groupadd", "mailadm")
        group = machine.must("getent", "group", "mailadm").split(":")[2]
        member = ("setpriv", "--reuid=65534", "--regid=65534", f"--groups={group}")
        self.install()
        socket = "socket = /run/bms/control.sock\n"
        self.edit(socket, f"{socket}socket_group = mailadm\n")
        machine.must("chmod", "644", CONFIGURATION)
        machine.must("systemctl", "restart", "bmsd.service")
        status = machine.run("bmsd", "status")
        self.assertEqual(status.returncode, 1, status.stdout)
        self.assertIn("SupplementaryGroups=mailadm", status.stdout)
        self.assertEqual(machine.run(*member, "bmsd", "status").returncode, 77)
        machine.must("mkdir", "-p", "/etc/systemd/system/bmsd.service.d")
        machine.path("/etc/systemd/system/bmsd.service.d/group.conf").write_text(
            "[Service]\nSupplementaryGroups=mailadm\nPrivateUsers=no\nSystemCallFilter=@chown\n"
            "RuntimeDirectoryMode=0751\n"
        )
        machine.must("systemctl", "daemon-reload")
        machine.must("systemctl", "restart", "bmsd.service")
        machine.must("bmsd", "status")
        machine.must(*member, "bmsd", "status")
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        self.assertEqual(machine.run(*nobody, "bmsd", "status").returncode, 77)

    def test_upgrade(self) -> None:
        machine = self.machine
        self.install(1)
        self.wire()
        machine.must("bmsd", "ban", "add", "203.0.113.9")
        self.edit("contact = postmaster", "contact = hostmaster")
        before = self.pid()
        # Not with a broken file: the old one goes on, and it is said why.
        self.edit("[helo]\nmode = observe", "[helo]\nmode = obsreve")
        said = self.install(2)
        self.assertIn("bmsd is not (re)started", said)
        self.assertRegex(said, r"/etc/mail/bms\.conf:\d+: .*obsreve")
        self.assertEqual(self.pid(), before)
        # Commands would refuse the file, too; the log tells.
        reply = self.send("by-the-old")
        self.assert_accepted(reply)
        self.wait_for_journal(rf"{reply.queue_id}: ref=")
        self.edit("[helo]\nmode = obsreve", "[helo]\nmode = observe")
        self.install(1)
        restarted = self.pid()
        self.assertNotIn(restarted, (0, before))
        self.install(2)
        self.assertNotIn(self.pid(), (0, restarted))
        version = machine.must("dpkg-query", "-W", "-f", "${Version}", "bmsd")
        self.assertTrue(version.endswith("-2"), version)
        self.assertIn("203.0.113.9", machine.must("bmsd", "ban", "list"))
        self.assertIn("contact = hostmaster", machine.path(CONFIGURATION).read_text())
        self.assert_passes("by-the-new", filtered=True)

    def test_the_way_back(self) -> None:
        """The README's two lines, after a version that had changed the tables."""
        machine = self.machine
        self.install(2)
        machine.must("bmsd", "ban", "add", "203.0.113.9")
        machine.must("systemctl", "stop", "bmsd.socket", "bmsd.service")
        self.pretend_that_a_later_version_ran()
        machine.run("systemctl", "start", "bmsd.service")
        self.wait_for_journal("later version")
        lines = re.findall(r"(?m)^    (.*(?:bms\.db\.vN|--allow-downgrades).*)$", README)
        self.assertEqual(len(lines), 2)
        machine.put(package(1), "/root")
        for line in lines:
            line = line.replace(".vN", ".v3").replace("./bmsd_OLD.deb", f"/root/{package(1).name}")
            machine.must("sh", "-c", line.replace("apt install", "apt-get -qq install"))
        machine.must("bmsd", "status")
        self.assertIn("203.0.113.9", machine.must("bmsd", "ban", "list"))

    def pretend_that_a_later_version_ran(self) -> None:
        """A copy from before its schema change is there, and a change that nobody knows."""
        state = "/var/lib/bms"
        # SQLite itself cannot reach into the machine.
        for name in ("bms.db", "bms.db-wal"):
            if (inside := self.machine.path(f"{state}/{name}")).exists():
                (self.folder / name).write_bytes(inside.read_bytes())
                inside.unlink()
        for copy in ("bms.db.v3", "bms.db"):
            database = sqlite3.connect(self.folder / "bms.db")
            if copy == "bms.db":
                database.execute("INSERT INTO grdb_migrations VALUES ('of a later version')")
                database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.close()
            self.machine.path(f"{state}/{copy}").write_bytes((self.folder / "bms.db").read_bytes())
            self.machine.must("chown", "_bms:", f"{state}/{copy}")
        self.machine.must("rm", "-f", f"{state}/bms.db-shm")

    def test_removed_and_purged(self) -> None:
        machine = self.machine
        self.install()
        self.wire()
        pid = self.pid()
        machine.must("apt-get", "remove", "-qq", "bmsd")
        self.assertFalse(machine.path(f"/proc/{pid}").exists())
        for path in ("/usr/sbin/bmsd", "/lib/systemd/system/bmsd.service"):
            self.assertNotEqual(machine.run("test", "-e", path).returncode, 0, path)
        for path in (CONFIGURATION, "/var/lib/bms/bms.db"):
            machine.must("test", "-e", path)
        # The MTA still has its lines, by which mail waits while bmsd is away.
        self.assertEqual(self.send("removed").code, 451)
        # Installed again it is as before.
        self.install()
        self.assertNotEqual(self.pid(), 0)
        machine.must("apt-get", "purge", "-qq", "bmsd")
        for path in (
            "/etc/mail/bms.conf", "/etc/mail/m4", "/var/lib/bms", "/run/bms",
            "/var/spool/postfix/bms", "/etc/systemd/system/sockets.target.wants/bmsd.socket",
        ):
            self.assertNotEqual(machine.run("test", "-e", path).returncode, 0, path)
        machine.must("id", "_bms")


SANDBOX = """
set -e
mount --make-rprivate /
for place in /var/lib/bms /run/bms /var/spool/postfix/bms; do mount --bind $place $place; done
mount -t tmpfs -o mode=1777,nosuid,nodev private /tmp
mount -t tmpfs -o mode=000,ro private /home
mount -o remount,bind,ro /
for place in /dev /run /sys; do
  if mountpoint -q $place; then mount -o remount,bind,ro $place; fi
done
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -H -n)"
umask 077
exec setpriv --reuid=_bms --regid=_bms --clear-groups --bounding-set=-all --inh-caps=-all \\
  --no-new-privs systemd-socket-activate --fdname=milter \\
  -l /var/spool/postfix/bms/bms.sock /usr/sbin/bmsd run
"""
"""What of bmsd.service and bmsd.socket can be tried without systemd."""


class WithoutSystemd(MachineTestCase):
    systemd = False

    def test_runs_in_what_can_be_had_of_the_sandbox(self) -> None:
        machine = self.machine
        self.install()
        machine.must("bmsd", "check")
        # The folder is setgid, and so the socket belongs to Postfix.
        daemon = machine.start_program(
            self.folder / "bmsd.log", "unshare", "--mount", "sh", "-c", SANDBOX
        )
        self.addCleanup(daemon.stop)
        socket = "/var/spool/postfix/bms/bms.sock"
        wait_until("the socket", lambda: machine.run("test", "-S", socket).returncode == 0)
        machine.must("chmod", "660", socket)
        self.assertEqual(machine.must("stat", "-c", "%U %G", socket).strip(), "_bms postfix")
        self.wire()
        self.assert_passes("observed", filtered=True, helo=REFUSED)
        status = machine.must("sh", "-c", "cat /proc/$(pidof bmsd)/status")
        self.assertRegex(status, r"CapBnd:\t0+\n(.*\n)*NoNewPrivs:\t1\n")
        self.assertRegex((self.folder / "bmsd.log").read_text(), "inherited=yes")
        self.edit("[helo]\nmode = observe", "[helo]\nmode = enforce")
        machine.must("bmsd", "reload")
        self.assert_refused(self.send("enforced", REFUSED), NUMERIC)

    def test_the_package_needs_no_running_systemd(self) -> None:
        self.install(1)
        self.edit("[helo]\nmode = observe", "[helo]\nmode = obsreve")
        self.assertRegex(self.install(2), r"bmsd is not \(re\)started(.*\n)+.*obsreve")
        self.machine.must("apt-get", "purge", "-qq", "bmsd")
        self.assertNotEqual(self.machine.run("test", "-e", "/var/lib/bms").returncode, 0)


README = (PROJECT / "README.md").read_text()


if __name__ == "__main__":
    unittest.main()
