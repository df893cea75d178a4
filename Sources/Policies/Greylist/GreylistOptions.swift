// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Greylisting

/// `[greylist]`: who waits, how long, and what counts as the same mail.
package struct GreylistOptions: PolicySection {
  /// What is deferred as one.
  package enum Scope: String, OptionValue, CaseIterable {
    /// All recipients of a message or none; decided at DATA.
    case message
    /// Each recipient by itself; decided at RCPT.
    case recipient
  }

  package static let name = "greylist"
  package static let summary = "Defer the first message from an unknown origin and sender"
  package static var shippedMode: Mode? { .observe }

  package let time = ConfigOption(
    "time", default: TimeSpan.minutes(5), in: .seconds(1) ... .hours(24),
    shipped: TimeSpan.minutes(5), unit: "m",
    help: "How long a new triplet waits. A retry before that is deferred again.")
  package let expire = ConfigOption(
    "expire", default: TimeSpan.days(2), in: .minutes(1) ... .days(30),
    shipped: TimeSpan.days(2), unit: "h",
    help: """
      How long after the first attempt a retry still counts; one that comes later begins anew. \
      Some large senders retry only after many hours. Of more than 5,000,000 triplets those that \
      never passed are forgotten sooner, the oldest first; if that is not enough, those that \
      were not seen for longest.
      """)
  package let retain = ConfigOption(
    "retain", default: TimeSpan.days(36), in: .hours(1) ... .days(3650),
    shipped: TimeSpan.days(36), unit: "d",
    help: """
      How long a triplet that passed is remembered after its last mail; 36 days let a monthly \
      newsletter through at once.
      """)
  package let network4 = ConfigOption(
    "network4", default: 24, in: 8...32,
    help: """
      How many leading bits of a client's IPv4 address count, so that a pool of hosts that share \
      the retries is one origin.
      """)
  package let network6 = ConfigOption(
    "network6", default: 64, in: 16...128,
    help: "How many leading bits of a client's IPv6 address count.")
  package let scope = ConfigOption(
    "scope", default: Scope.message, shipped: Scope.message,
    help: """
      message: client and sender count, and all recipients are deferred or none; decided at DATA, \
      so call-backs that verify an address are not disturbed. recipient: each recipient counts by \
      itself and is deferred at RCPT. A change begins with an empty greylist.
      """)
  package let autoPass = ConfigOption(
    "auto_pass", default: 5, in: 0...1_000_000, shipped: 5,
    help: """
      An origin of which this many triplets waited and passed waits no more, until nothing passed \
      for as long as retain says. 0: every triplet waits.
      """)
  package let fold = ConfigOption(
    "fold", default: true,
    help: """
      Whether what varies from mail to mail is left out of the sender's address: digits, \
      extensions after +, embedded recipients (VERP), signatures (BATV) and time stamps (SRS).
      """)
  package let skip = ConfigOption(
    "skip", default: [] as Networks, help: "Clients that never wait.")
  package let skipFrom = ConfigOption(
    "skip_from", default: [] as AddressSet,
    help: """
      Senders that never wait. The address is not proved, so name few. The null sender <> of \
      bounces never waits.
      """)
  package let skipTo = ConfigOption(
    "skip_to", default: [] as AddressSet,
    help: """
      Recipients whose mail never waits; with scope = message when all recipients are among them.
      """)

  package init() {}
}

extension TripletKeys {
  /// How `[greylist]` makes keys.
  package init(_ settings: Settings<GreylistOptions>) {
    self.init(
      network4: settings.network4, network6: settings.network6, folds: settings.fold,
      countsRecipient: settings.scope == .recipient)
  }
}

extension TripletRule {
  /// The times of `[greylist]`.
  package init(_ settings: Settings<GreylistOptions>) {
    self.init(
      delay: Int64(settings.time.milliseconds), expire: Int64(settings.expire.milliseconds),
      retain: Int64(settings.retain.milliseconds), autoPass: settings.autoPass)
  }
}
