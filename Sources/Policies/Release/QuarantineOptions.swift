// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

/// `[quarantine]`: where originals are kept.
package struct QuarantineOptions: Section {
  package static let name = "quarantine"
  package static let summary = "Originals of mail that was changed or kept away"

  package let dir = ConfigOption(
    "dir", default: FilePath("/var/lib/bms/quarantine"), needsRestart: true,
    help: """
      The folder, a file for each message; the daemon makes it at its start if it can. What cannot \
      be kept there is deferred.
      """)
  package let keep = ConfigOption(
    "keep", default: TimeSpan.days(60), in: .minutes(1) ... .days(3650),
    shipped: TimeSpan.days(60), unit: "d", help: "How long originals are kept.")
  package let maximumSize = ConfigOption(
    "max_size", default: ByteSize.gigabytes(5), in: .megabytes(1) ... .gigabytes(1 << 20),
    shipped: ByteSize.gigabytes(5),
    help: """
      How much they may take on disk; the oldest are deleted first. Nothing is kept either when \
      less than a tenth of [store] min_free would be left.
      """)

  package init() {}
}
