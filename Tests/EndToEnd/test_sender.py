# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors

"""SPF and the sender policy behind real mail servers, with a real DNS server on loopback."""

from __future__ import annotations

import subprocess
import unittest
from pathlib import Path

from mta import NameServer, Reply, Settings, wait_until
from test_memory import PostfixMemory, SendmailMemory, STRANGER

ZONE = f"""
example.com TXT "v=spf1 ip4:{STRANGER} -all"
forged.example TXT "v=spf1 mx -all exp=why.forged.example"
forged.example MX 10 mx.forged.example
mx.forged.example A 203.0.113.1
why.forged.example TXT "%{{i}} is not a server of ours"
7.2.0.192.in-addr.arpa PTR mx.example.com
mx.example.com A {STRANGER}
"""


class Senders:
    """The same for every mail server."""

    def begin_with_dns(self, *settings: Settings) -> None:
        self.enter_network()
        dns = NameServer(self.folder, ZONE)
        self.addCleanup(dns.stop)
        dns.start()
        self.begin(
            {"dns": {"servers": dns.server}, "spf": {"mode": "enforce"},
             "auth_results": {"mode": "enforce"}},
            *settings)

    def forge(self, mark: str) -> Reply:
        return self.send(self.visitor("mx.example.com"), mark, "ann@forged.example")

    def test_a_forged_sender_is_refused_and_explained(self) -> None:
        self.begin_with_dns()
        reply = self.forge("forged")
        reference = self.assert_refused(
            reply, f"SPF: {STRANGER} may not send mail for forged.example; forged.example says: "
            f"{STRANGER} is not a server of ours")
        told = self.bmsd_says("explain", reference, shows="spf at MAIL")
        self.assertIn("says that this client may not send for it", told)
        self.assertIn(f"bmsd allow add {STRANGER} --skip spf", told)
        self.assertEqual(self.sink.find("forged"), [])

    def test_results_stand_on_top_and_forged_ones_are_gone(self) -> None:
        """Fault 39: three forged fields among one of another host."""
        self.begin_with_dns()
        client = self.visitor("mx.example.com")
        self.assert_accepted(client.mail("ann@example.com"))
        self.assert_accepted(client.rcpt("bob@example.org"))
        name = self.own_name()
        fields = [f"Authentication-Results: {name}; spf=pass (forged {n})" for n in range(3)]
        fields.insert(1, "Authentication-Results: elsewhere.example; dkim=pass")
        text = "\r\n".join([*fields, "From: ann@example.com", "Subject: results",
                            "Message-ID: <results@example.com>", "", "Hello."]) + "\r\n"
        self.assert_accepted(client.data(text.encode()))
        delivery = self.sink.wait_for("results")[0]
        results = [value.decode() for value in delivery.fields("Authentication-Results")]
        self.assertEqual(len(results), 2, results)
        self.assertIn("spf=pass smtp.mailfrom=ann@example.com", results[0])
        self.assertIn(f"iprev=pass (mx.example.com) policy.iprev={STRANGER}", results[0])
        self.assertTrue(results[0].startswith(f"{name};"), results)
        self.assertEqual(results[1], "elsewhere.example; dkim=pass")
        self.assertTrue(delivery.header.lower().startswith(b"authentication-results:"))

    def test_greylisting_keys_on_the_domain_that_passed(self) -> None:
        self.begin_with_dns({"greylist": {"mode": "enforce", "time": "1m"}})
        self.assert_greylisted(self.send(self.visitor("mx.example.com"), "passed"))
        self.assert_greylisted(
            self.send(self.visitor("mx.example.com"), "unknown", "ann@unknown.example"))
        listed = self.bmsd("greylist", "list")
        self.assertRegex(listed, r"\bexample\.com +ann@example\.com\b")
        self.assertRegex(listed, r"\b192\.0\.2\.0/24 +ann@unknown\.example\b")

    def test_a_listed_sender_counts_once_it_is_proved(self) -> None:
        self.begin_with_dns({"greylist": {"mode": "enforce", "time": "1m"}})
        self.bmsd("allow", "add", "@example.com")
        self.bmsd("allow", "add", "@forged.example")
        self.assert_accepted(self.send(self.visitor("mx.example.com"), "proved"))
        self.assert_refused(self.forge("unproved"), "may not send mail for forged.example")

    def test_the_access_map_of_the_mail_server(self) -> None:
        source = self.folder / "mta" / "access"
        self.begin_with_dns({"sender": {"mode": "enforce"}})
        source.write_text("SPF-Fail:forged.example OK\nFrom:bad.example REJECT\n")
        self.make_map(source)
        assert self.daemon
        self.daemon.reload(settings={"spf": {"access_file": f"hash:{source}"}})
        self.assert_accepted(self.forge("excepted"))
        self.assert_refused(
            self.send(self.visitor("mx.example.com"), "refused", "x@bad.example"), "Access denied")
        self.assertIn(
            "spf-fail:forged.example: OK", self.bmsd("access", "lookup", "SPF-Fail", "ann@forged.example"))
        source.write_text("SPF-Fail:forged.example REJECT\n")
        self.make_map(source)
        # The daemon looks once a second whether it changed.
        reply = wait_until(
            "the new map", lambda: (r := self.forge("later")).code == 550 and r, 10)
        self.assert_refused(reply, "may not send mail for forged.example")


class PostfixSenders(Senders, PostfixMemory):
    def own_name(self) -> str:
        return "mail.example.org"

    def make_map(self, source: Path, kind: str = "hash") -> None:
        made = self.postfix.make_map(kind, source)
        self.assertEqual((made.returncode, made.stdout), (0, b""))

    def test_access_maps_of_every_kind(self) -> None:
        """Each as Postfix itself writes it, and read again when Postfix replaces it."""
        source = self.folder / "mta" / "access"
        self.begin_with_dns({"sender": {"mode": "enforce"}})
        assert self.daemon
        for kind in ("cdb", "lmdb"):
            with self.subTest(kind=kind):
                source.write_text(f"SPF-Fail:forged.example OK\nFrom:{kind}.example REJECT\n")
                self.make_map(source, kind)
                self.daemon.reload(settings={"spf": {"access_file": f"{kind}:{source}"}})
                self.assert_accepted(self.forge(f"excepted-{kind}"))
                self.assert_refused(
                    self.send(self.visitor("mx.example.com"), kind, f"x@{kind}.example"),
                    "Access denied")
                source.write_text("SPF-Fail:forged.example REJECT\n")
                self.make_map(source, kind)
                reply = wait_until(
                    "the new map",
                    lambda: (r := self.forge(f"later-{kind}")).code == 550 and r, 10)
                self.assert_refused(reply, "may not send mail for forged.example")


class SendmailSenders(Senders, SendmailMemory):
    def own_name(self) -> str:
        return "mail.example.org"

    def make_map(self, source: Path) -> None:
        makemap = self.sendmail.programs.sendmail.with_name("makemap")
        with open(source, "rb") as lines:
            made = subprocess.run(
                [makemap, "-C", self.sendmail.configuration, "hash", f"{source}.db"],
                stdin=lines, capture_output=True)
        self.assertEqual(made.returncode, 0, made.stderr)


if __name__ == "__main__":
    unittest.main()
