// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

/// `[trail]`: what was decided, and why.
package struct TrailOptions: Section {
  package static let name = "trail"
  package static let summary = "The decision trail, for bmsd log, explain and stats"

  package let path = ConfigOption(
    "path", default: FilePath("/var/lib/bms/trail.db"), shipped: FilePath("/var/lib/bms/trail.db"),
    needsRestart: true,
    help: """
      A file of its own; it may be deleted at any time. What stands there and is no trail of bmsd is \
      left alone, and no decision is recorded.
      """)
  package let keep = ConfigOption(
    "keep", default: TimeSpan.days(30), in: .minutes(1) ... .days(3650),
    shipped: TimeSpan.days(30), unit: "d", help: "How long accepted mail is remembered.")
  package let keepRefused = ConfigOption(
    "keep_refused", default: TimeSpan.days(90), in: .minutes(1) ... .days(3650),
    shipped: TimeSpan.days(90), unit: "d",
    help: "How long refused and deferred mail is remembered.")
  package let maximumSize = ConfigOption(
    "max_size", default: ByteSize.megabytes(1024), in: .megabytes(1) ... .gigabytes(1024),
    shipped: ByteSize.megabytes(1024),
    help: "How much the trail may take on disk; the oldest is forgotten first.")
  package let subject = ConfigOption(
    "subject", default: true, shipped: true,
    help: """
      Whether the Subject is remembered. With a trail the MTA sends the header fields anyway, for \
      the Message-ID.
      """)
  package let node = ConfigOption(
    "node", default: "", needsRestart: true,
    help: """
      One letter or digit that begins every reference of this host, so that a reference tells \
      where to ask; not I, L, O or U. Empty: none.
      """)

  package init() {}
}
