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
      the owner of that folder. When the file is replaced while bmsd runs (by rename, never by \
      writing into it), bmsd uses the new one a second later; when it is removed, bmsd makes a new \
      one with the bans and the allow-list from memory and an empty greylist.
      """)
  package let minFree = ConfigOption(
    "min_free", default: ByteSize.megabytes(500), shipped: ByteSize.megabytes(500),
    help: """
      Room to be left on the disk. With less the decision trail is not written; with less than a \
      tenth of it nothing is, and modules go on without memory.
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
    help: """
      Group whose members may give commands, by name. Empty: root and bmsd's user only. The daemon \
      must be in that group, its members must pass the socket's folder and read this file: SECURITY \
      in bmsd(8) says how. Where the daemon may not give it the socket, it starts all the same, and \
      `bmsd status` says so.
      """)

  package init() {}
}
