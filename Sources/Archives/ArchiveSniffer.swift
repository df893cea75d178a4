// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Tells whether there can be a zip archive anywhere in content that comes piece by piece.
package struct ArchiveSniffer {
  /// Whether a header of a member or of a directory was seen.
  package private(set) var foundArchive = false
  /// Whether there was anything but white space and control characters.
  package private(set) var hasContent = false
  /// How many bytes came.
  package private(set) var count = 0
  /// The last bytes, with which a signature may begin.
  private var tail: [UInt8] = []

  /// A sniffer that has seen nothing.
  package init() {}

  /// Looks at the next piece.
  package mutating func take(_ piece: ArraySlice<UInt8>) {
    count &+= piece.count
    if !hasContent { hasContent = piece.contains { $0 > 0x20 } }
    guard !foundArchive, !piece.isEmpty else { return }
    if !tail.isEmpty { look(in: (tail + piece.prefix(3))[...]) }
    look(in: piece)
    tail = Array((tail + piece.suffix(3)).suffix(3))
  }

  private mutating func look(in bytes: ArraySlice<UInt8>) {
    var at = bytes.startIndex
    while !foundArchive, let found = ByteSearch.firstPK(in: bytes, from: at) {
      let mark = bytes[(found &+ 2)...].prefix(2)
      foundArchive =
        mark.elementsEqual([3, 4]) || mark.elementsEqual([1, 2]) || mark.elementsEqual([5, 6])
      at = found &+ 2
    }
  }
}
