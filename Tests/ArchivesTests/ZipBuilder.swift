// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation

/// Writes zip archives with stored members, byte by byte, so that they can lie.
struct ZipBuilder {
  struct Entry {
    var name: [UInt8]
    /// The name in the directory, if it is another one.
    var directoryName: [UInt8]?
    var content: [UInt8] = []
    var flags: UInt16 = 0
    var extra: [UInt8] = []
    var claimedSize: UInt32?

    init(_ name: String, _ content: [UInt8] = Array("x".utf8)) {
      self.name = Array(name.utf8)
      self.content = content
    }

    init(
      _ name: String, directory: String? = nil, flags: UInt16 = 0, extra: [UInt8] = [],
      claimedSize: UInt32? = nil
    ) {
      self.init(name)
      directoryName = directory.map { Array($0.utf8) }
      self.flags = flags
      self.extra = extra
      self.claimedSize = claimedSize
    }
  }

  /// What the header of a member begins with.
  static let localMark: [UInt8] = [0x50, 0x4B, 3, 4]

  var entries: [Entry]
  var prefix: [UInt8] = []
  var comment: [UInt8] = []

  init(_ entries: Entry...) { self.entries = entries }
  init(_ names: [String]) { entries = names.map { Entry($0) } }

  var bytes: [UInt8] {
    var out = prefix
    var directory: [UInt8] = []
    for entry in entries {
      let offset = UInt32(out.count - prefix.count)
      let size = entry.claimedSize ?? UInt32(entry.content.count)
      let common =
        le16(20) + le16(entry.flags) + le16(0) + le32(0) + le32(Self.crc(entry.content))
        + le32(size)
        + le32(size)
      out += le32(0x0403_4B50) + common + le16(UInt16(entry.name.count))
      out += le16(UInt16(entry.extra.count)) + entry.name + entry.extra + entry.content
      let name = entry.directoryName ?? entry.name
      directory += le32(0x0201_4B50) + le16(20) + common + le16(UInt16(name.count))
      directory += le16(UInt16(entry.extra.count)) + le16(0) + le16(0) + le16(0) + le32(0)
      directory += le32(offset) + name + entry.extra
    }
    let start = UInt32(out.count - prefix.count)
    let count = UInt16(truncatingIfNeeded: entries.count)
    return out + directory + le32(0x0605_4B50) + le16(0) + le16(0) + le16(count) + le16(count)
      + le32(UInt32(directory.count)) + le32(start) + le16(UInt16(comment.count)) + comment
  }

  private func le16(_ value: UInt16) -> [UInt8] { [UInt8(value & 255), UInt8(value >> 8)] }
  private func le32(_ value: UInt32) -> [UInt8] {
    le16(UInt16(value & 0xFFFF)) + le16(UInt16(value >> 16))
  }

  static func crc(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return ~crc
  }
}

/// Bytes without order, the same for the same seed (SplitMix64).
struct SeededBytes {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
      return UInt8(truncatingIfNeeded: mixed ^ mixed >> 31)
    }
  }
}

/// Archives that Python writes: an independent writer, and one that can compress.
func pythonZip(_ script: String) throws -> [UInt8] {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = [
    "python3", "-c",
    """
    import io, sys, zipfile
    def z(members, method=zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as a:
            for name, content in members: a.writestr(name, content)
        return out.getvalue()
    sys.stdout.buffer.write(\(script))
    """,
  ]
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return Array(data)
}
