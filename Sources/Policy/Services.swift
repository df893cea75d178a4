// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Access
package import DNS
package import Environment
package import Greylisting
package import Logging
package import Quarantine
package import Store

/// Everything a module may ask of the world outside the message in hand. Tests own all of it.
package struct Services: Sendable {
  /// Clocks.
  package var time: any TimeSource
  /// Randomness for references.
  package var random: any RandomSource
  /// Files that options name.
  package var files: any FileSource
  /// The decision trail.
  package var trail: any DecisionTrail
  /// Triplets of greylisting; nil without a database.
  package var triplets: (any TripletStore)?
  /// Who is banned; nil without a database.
  package var bans: BanList?
  /// Who is let through; nil without a database.
  package var allowed: AllowList?
  /// Who knows what was released from the quarantine; `NoQuarantine` without `[quarantine]`.
  package var releases: any QuarantineStore = NoQuarantine()
  /// Who answers questions of DNS.
  package var resolver: any Resolver = NoResolver()
  /// How long DNS may take for one message.
  package var dnsLimit: Duration = .seconds(10)
  /// About how many bytes of memory the answers of DNS may take.
  package var dnsCacheSize = 16 << 20
  /// The largest message that is looked into as a whole, in bytes.
  package var contentLimit = 64 << 20
  /// The most that all messages together may take while they come in, in bytes.
  package var contentRoom = 512 << 20
  /// Whether mail may come by a relay of ours, so that its header tells who sent it.
  package var hasTrustedRelays = true
  /// The administrator's exceptions; nil where the file names none.
  package var access: AccessMap?
  /// Where originals are kept; nil where they are not.
  package var quarantine: (any OriginalKeeper)?
  /// The log. Modules do not log: the runner writes a line for each verdict.
  package var log: Logger

  package init(
    time: any TimeSource, random: any RandomSource, files: any FileSource,
    trail: any DecisionTrail, log: Logger
  ) {
    self.time = time
    self.random = random
    self.files = files
    self.trail = trail
    self.log = log
  }
}
