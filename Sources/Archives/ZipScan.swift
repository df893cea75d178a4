// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Finds the headers of zip structures anywhere in data, in one pass.
///
/// Their marks have four bytes and occur by chance in every few gigabytes of pictures. Names count
/// behind any of them; problems, and that there is a zip at all, only of headers that make sense.
struct ZipScan {
  /// The paths of all headers, each once, as far as there is room; then a few that are of interest.
  private(set) var paths: [[UInt8]] = []
  /// Where a directory ends, without the comment behind it: libarchive looks for it in the last
  /// 16 KiB only.
  private(set) var ends: [Int] = []
  /// Where the first member's header that makes sense stands.
  private(set) var firstHeader: Int?
  /// Whether a header or the end of a directory makes sense.
  private(set) var isZip = false
  private(set) var hasMembers = false
  private(set) var isEncrypted = false
  private(set) var hasUnreadableName = false
  private(set) var isOverLimit = false
  private var seen: Set<[UInt8]> = []
  private let limit: Int
  private let isOfInterest: ([UInt8]) -> Bool
  /// Bytes of names and extra fields that may still be looked at. Headers that overlap could make
  /// it the square of the size.
  private var budget: Int

  /// What a zip begins with.
  static let signature: [UInt8] = [0x50, 0x4B, 0x03, 0x04]

  init(_ data: [UInt8], limit: Int, isOfInterest: @escaping ([UInt8]) -> Bool = { _ in false }) {
    self.limit = limit
    self.isOfInterest = isOfInterest
    budget = 1 << 20 &+ data.count &* 4
    let fields = LittleEndian(data)
    var at = 0
    while let found = ByteSearch.firstPK(in: data[...], from: at) {
      at = found &+ 2
      switch fields.uint16(found &+ 2) {
      case 0x0403: takeHeader(fields, found, Layout.local)
      case 0x0201: takeHeader(fields, found, Layout.central)
      case 0x0605: takeEnd(fields, found)
      case 0x0806: isEncrypted = isEncrypted || isZip  // archive extra data: encrypted directory
      default: continue
      }
      // What members hold is searched too: headers in it belong to archives that are stored as they
      // are, which programs can find there.
      at = found &+ 4
    }
  }

  /// Where a header has its fields (APPNOTE §4.3.7, §4.3.12).
  private struct Layout {
    var version: Int
    var flags: Int
    var method: Int
    var nameLength: Int
    var extraLength: Int
    var name: Int

    static let local = Layout(
      version: 4, flags: 6, method: 8, nameLength: 26, extraLength: 28, name: 30)
    static let central = Layout(
      version: 6, flags: 8, method: 10, nameLength: 28, extraLength: 30, name: 46)
  }

  private mutating func takeHeader(_ data: LittleEndian, _ at: Int, _ layout: Layout) {
    guard let flags = data.uint16(at &+ layout.flags),
      let nameLength = data.uint16(at &+ layout.nameLength),
      let extraLength = data.uint16(at &+ layout.extraLength)
    else { return }
    let nameStart = at &+ layout.name
    if makesSense(data, at, layout), nameStart &+ nameLength <= data.count {
      isZip = true
      hasMembers = true
      if layout.name == Layout.local.name, firstHeader == nil { firstHeader = at }
      // APPNOTE §4.4.4: bit 0 encrypted; bit 13 the header is masked, its name is none.
      if flags & 1 != 0 { isEncrypted = true }
      if flags & 0x2000 != 0 || nameLength == 0 { hasUnreadableName = true }
    }
    budget &-= nameLength &+ extraLength
    guard budget > 0 else {
      isOverLimit = true
      return
    }
    take(data.bytes(nameStart, nameLength))
    takeExtra(data.bytes(nameStart &+ nameLength, extraLength))
  }

  /// Whether a header can be one that a program wrote: of random ones, one in ten million can.
  private func makesSense(_ data: LittleEndian, _ at: Int, _ layout: Layout) -> Bool {
    guard let version = data.uint16(at &+ layout.version),
      let flags = data.uint16(at &+ layout.flags), let method = data.uint16(at &+ layout.method)
    else { return false }
    // APPNOTE §4.4.3: up to 6.3; §4.4.2: some writers put their system into the upper byte.
    return version & 0xFF <= 63 && version >> 8 <= 20 && flags & Self.reservedFlags == 0
      && Self.methods.contains(method)
  }

  /// APPNOTE §4.4.4: bits 7 to 10, 12, 14 and 15 are unused or reserved.
  private static let reservedFlags = 0xD780
  /// APPNOTE §4.4.5, those that are reserved left out.
  private static let methods: Set<Int> = [
    0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 16, 18, 19, 20, 93, 94, 95, 96, 97, 98, 99,
  ]

  // APPNOTE §4.6.9: 0x7075, size, version, CRC-32 of the name in the header, name in UTF-8.
  private mutating func takeExtra(_ extra: ArraySlice<UInt8>) {
    var rest = extra
    while rest.count >= 4 {
      let header = LittleEndian(Array(rest.prefix(4)))
      guard let id = header.uint16(0), let size = header.uint16(2) else { return }
      let content = rest.dropFirst(4).prefix(size)
      if id == 0x7075, content.count > 5 { take(content.dropFirst(5)) }
      rest = rest.dropFirst(4 &+ size)
    }
  }

  private mutating func take(_ name: ArraySlice<UInt8>) {
    let name = Array(name.suffix(ArchiveSession.longestPath))
    guard !name.isEmpty, paths.count < limit || isOfInterest(name), !seen.contains(name) else {
      return
    }
    guard paths.count < limit &+ ArchiveSession.mostBeyond else {
      isOverLimit = true
      return
    }
    seen.insert(name)
    paths.append(name)
  }

  // APPNOTE §4.3.16: end of central directory record, 22 bytes and a comment.
  private mutating func takeEnd(_ data: LittleEndian, _ at: Int) {
    guard data.uint16(at &+ 20) != nil, let disk = data.uint16(at &+ 4),
      let entries = data.uint16(at &+ 10)
    else { return }
    // One file, or its numbers stand in the record of zip64.
    if disk == 0 || disk == 0xFFFF, data.uint16(at &+ 6) == disk {
      isZip = true
      if entries > 0 { hasMembers = true }
    }
    ends.append(at &+ 22)
  }
}

/// Reads numbers from bytes; what lies outside is nil.
struct LittleEndian {
  private let data: [UInt8]

  init(_ data: [UInt8]) { self.data = data }

  var count: Int { data.count }

  func uint16(_ at: Int) -> Int? {
    guard at >= 0, at < data.count &- 1 else { return nil }
    return Int(data[at]) | Int(data[at &+ 1]) << 8
  }

  /// As many of the bytes as there are.
  func bytes(_ at: Int, _ length: Int) -> ArraySlice<UInt8> {
    guard at >= 0, at < data.count else { return [] }
    return data[at...].prefix(length)
  }
}
