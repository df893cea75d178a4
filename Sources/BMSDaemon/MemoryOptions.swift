// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

/// `[store]`: the database of state that matters.
package struct StoreOptions: Section {
  package static let name = "store"
  package static let summary = "The database: greylist, bans, allow-list"

  package let path = ConfigOption(
    "path", default: FilePath("/var/lib/bms/bms.db"), shipped: FilePath("/var/lib/bms/bms.db"),
    needsRestart: true,
    help: """
      The SQLite file; its folder must belong to bmsd's user. A process started as root becomes \
      the owner of that folder.
      """)
  package let minFree = ConfigOption(
    "min_free", default: ByteSize.megabytes(500), shipped: ByteSize.megabytes(500),
    help: """
      Room to be left on the disk. With less the decision trail is not written; with less than a \
      tenth of it nothing is, and modules go on without memory.
      """)

  package init() {}
}

/// `[trail]`: what was decided, and why.
package struct TrailOptions: Section {
  package static let name = "trail"
  package static let summary = "The decision trail, for bmsd log, explain and stats"

  package let path = ConfigOption(
    "path", default: FilePath("/var/lib/bms/trail.db"), shipped: FilePath("/var/lib/bms/trail.db"),
    needsRestart: true,
    help: "A file of its own; it may be deleted at any time.")
  package let keep = ConfigOption(
    "keep", default: TimeSpan.days(30), in: .minutes(1) ... .days(3650),
    shipped: TimeSpan.days(30), unit: "d", help: "How long accepted mail is remembered.")
  package let keepRefused = ConfigOption(
    "keep_refused", default: TimeSpan.days(90), in: .minutes(1) ... .days(3650),
    shipped: TimeSpan.days(90), unit: "d", help: "How long refused and deferred mail is remembered."
  )
  package let maximumSize = ConfigOption(
    "max_size", default: ByteSize.megabytes(1024), in: .megabytes(1) ... .gigabytes(1024),
    shipped: ByteSize.megabytes(1024),
    help: "How much the trail may take on disk; the oldest is forgotten first.")
  package let subject = ConfigOption(
    "subject", default: true, shipped: true,
    help: "Whether the Subject is remembered. It makes the MTA send the header fields.")
  package let node = ConfigOption(
    "node", default: "",
    help: """
      One letter or digit that begins every reference of this host, so that a reference tells \
      where to ask; not I, L, O or U. Empty: none.
      """)

  package init() {}
}

/// `[control]`: how commands reach the running daemon.
package struct ControlOptions: Section {
  package static let name = "control"
  package static let summary = "The control socket, for bmsd status, reload and what changes state"

  package let socket = ConfigOption(
    "socket", default: FilePath("/run/bms/control.sock"),
    shipped: FilePath("/run/bms/control.sock"), needsRestart: true,
    help: "Where commands reach the running daemon.")
  package let socketGroup = ConfigOption(
    "socket_group", default: "", needsRestart: true,
    help: "Group whose members may give commands, by name. Empty: root and bmsd's user only.")

  package init() {}
}
