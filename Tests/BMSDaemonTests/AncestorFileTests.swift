// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import Policy
import TestSupport
import Testing

/// An administrator of the ancestor brings the old file along: it is usable, with warnings that say
/// what holds, what has a new name and what is coming.
@Suite struct AncestorFileTests {
  private static let file = """
    [milter]
    socket=/var/run/milter/pythonsock
    timeout = 600
    datadir = /var/log/milter
    tempdir = /var/log/milter/save
    log_headers = 0
    internal_connect = 192.168.0.0/16, 127.*, 10.1.2.3
    trusted_relay = 192.0.2.25, 192.0.2.26/31
    internal_domains = example.com, *.example.com
    private_relay = example.net
    hello_blacklist = example.com, mail.example.com
    check_user = joe@example.com, file:example.net
    case_sensitive_localpart = no
    max_demerits = 3
    email_providers = yahoo.com, gmail.com

    [defang]
    banned_exts = ade, adp, asd
    scan_html = 0
    scan_zip = 0
    block_chinese = 0
    porn_words = casino, pills
    spam_words = $$$, !!!, XXX, HGH

    [scrub]
    hide_path = example.com
    reject_virus_from = example.net

    [wiretap]
    blind = 1
    users = disloyal@example.com
    dest = boss@example.com
    archive = /var/mail/mail_archive
    smart_alias = bounce

    [smart_alias]
    bounce = @example.net, joe@example.com

    [dspam]
    dspam_userdir = /var/lib/dspam
    dspam_users = joe, spam
    joe = joe@example.com
    dspam_sizelimit = 180000

    [spf]
    best_guess = 1
    supply_sender = 1
    reject_neutral = aol.com
    access_file = /etc/mail/access.db

    [srs]
    config = /etc/mail/pysrs.cfg
    secret = shhhh!
    sign = example.com

    [gossip]
    server = host:11900

    [greylist]
    dbfile = greylist.db
    time = 5
    expire = 6
    retain = 36

    [dkim]
    privkey = /etc/mail/dkim/default.key
    domain = example.com
    selector = default
    """
    // What the new file must have besides, since [greylist] is served: `bmsd check` says so.
    + "\n[store]\n"

  /// The map is a text here; a test of its own reads the MTAs' databases.
  private let setup = SetupTests.setup(
    file.replacing("/etc/mail/access.db", with: "/etc/mail/access"),
    files: ["/etc/mail/access": "SPF-Neutral:example.com REJECT\n"])

  /// The ancestor started without it, and no entry ever counted.
  @Test func aMissingMapIsAnError() {
    let errors = SetupTests.setup(Self.file).faults.filter { $0.severity == .error }
    #expect(errors.count == 1)
    #expect(errors.first?.message.contains("/etc/mail/access.db: No such file") == true)
  }

  @Test func isUsableWithWarnings() {
    #expect(setup.faults.filter { $0.severity == .error }.map(\.description) == [])
    #expect(setup.pipeline != nil)
    #expect(!setup.faults.isEmpty)
    #expect(setup.faults.allSatisfy { $0.line != nil })
  }

  @Test func everySectionThatIsNotServedIsNamed() {
    for section in [
      "wiretap", "smart_alias", "dspam", "srs", "gossip",
      "dkim",
    ] {
      #expect(
        setup.faults.count { $0.message.contains("[\(section)]") } == 1, "\(section)")
    }
  }

  @Test func everyKeyThatIsNotServedIsNamed() {
    for key in [
      "datadir", "tempdir", "supply_sender", "private_relay", "check_user",
      "case_sensitive_localpart", "max_demerits", "email_providers", "scan_html", "porn_words",
      "hide_path",
    ] {
      #expect(setup.faults.contains { $0.message.contains(key) }, "\(key)")
    }
  }

  @Test func whatIsServedHolds() {
    let network = setup.configuration.settings(NetworkOptions.self)
    #expect(network.internalConnect.text.contains("192.168.0.0/16"))
    #expect(network.trustedRelay.text == "192.0.2.25, 192.0.2.26/31")
    #expect(setup.configuration.settings(LogOptions.self).headers == false)
    let entries = setup.configuration.entries
    #expect(
      entries.first { $0.name == "helo.hello_blacklist" }?.text == "example.com, mail.example.com")
    #expect(entries.first { $0.name == "milter.socket" }?.text.hasSuffix("pythonsock") == true)
    #expect(setup.configuration.location(of: "network.internal_connect") != .default)
  }

  @Test func newNamesAreTold() {
    for name in [
      "internal_connect", "trusted_relay", "hello_blacklist", "log_headers",
    ] {
      #expect(
        setup.faults.contains { $0.severity == .warning && $0.message.contains(name) }, "\(name)")
    }
  }
}
