// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Archives
import Testing

/// An archive, the names to be found in it, and what is wrong with it.
struct ZipCase: Sendable, CustomTestStringConvertible {
  var name: String
  var data: @Sendable () throws -> [UInt8]
  var members: [String]
  var problems: Set<ArchiveProblem>
  var limits = ArchiveLimits()

  init(
    _ name: String, _ members: [String], _ problems: Set<ArchiveProblem> = [],
    limits: (inout ArchiveLimits) -> Void = { _ in },
    _ data: @escaping @Sendable () throws -> [UInt8]
  ) {
    self.name = name
    self.members = members
    self.problems = problems
    self.data = data
    limits(&self.limits)
  }

  var testDescription: String { name }
}

/// The process runs in the C locale, as a daemon does: nothing here calls setlocale.
@Suite struct ZipTests {
  @Test("faults 26, 27: members and problems", arguments: plain + lying + nested + bombs)
  func lists(_ row: ZipCase) throws {
    let listing = ArchiveReader.list(try row.data(), limits: row.limits)
    #expect(listing.members.map(\.text) == row.members)
    #expect(listing.problems == row.problems)
  }

  static let plain: [ZipCase] = [
    .init("nothing", []) { [] },
    .init("white space", []) { Array("\r\n \0".utf8) },
    .init("no archive", [], [.damaged]) { Array("hello".utf8) },
    .init("empty archive", []) { ZipBuilder().bytes },
    .init("two members", ["a.txt", "b/c.exe"]) { ZipBuilder(["a.txt", "b/c.exe"]).bytes },
    .init("compressed by Python", ["a.txt", "ü.exe"]) {
      try pythonZip("z([('a.txt', 'a' * 1000), ('ü.exe', b'x')])")
    },
    .init("behind other data", ["a.exe"]) {
      var zip = ZipBuilder(["a.exe"])
      zip.prefix = Array("%PDF-1.4 PK PK\u{1}".utf8)
      return zip.bytes
    },
    .init("before other data", ["a.exe"]) {
      ZipBuilder(["a.exe"]).bytes + [UInt8](repeating: 0x41, count: 100_000)
    },
    .init("two archives one behind the other", ["a.exe", "b.exe"]) {
      ZipBuilder(["a.exe"]).bytes + ZipBuilder(["b.exe"]).bytes
    },
    .init("long comment", ["a.exe"]) {
      var zip = ZipBuilder(["a.exe"])
      zip.comment = [UInt8](repeating: 0x2D, count: 65_535)
      return zip.bytes
    },
    .init("path out of the folder", ["../../a.exe", "C:\\b.exe"]) {
      ZipBuilder(["../../a.exe", "C:\\b.exe"]).bytes
    },
    .init("name of 60,000 bytes", [String(repeating: "a", count: 4092) + ".exe"]) {
      ZipBuilder([String(repeating: "a", count: 60_000) + ".exe"]).bytes
    },
    .init("name in another charset", ["caf\u{E9}.exe"]) {
      var entry = ZipBuilder.Entry("x")
      entry.name = Array("caf".utf8) + [0xE9] + Array(".exe".utf8)
      return ZipBuilder(entry).bytes
    },
    .init("name with bytes that end it", ["a\0b\r\nc\u{202E}.exe", "a"]) {
      ZipBuilder(["a\0b\r\nc\u{202E}.exe"]).bytes
    },
  ]

  static let lying: [ZipCase] = [
    .init("other name in the directory", ["a.exe", "a.txt"]) {
      ZipBuilder(ZipBuilder.Entry("a.exe", directory: "a.txt")).bytes
    },
    .init("other name in an extra field", ["a.txt", "b.exe"]) {
      let extra: [UInt8] =
        [0x75, 0x70, 10, 0, 1]
        + (0..<4).map { UInt8(truncatingIfNeeded: ZipBuilder.crc(Array("a.txt".utf8)) >> (8 * $0)) }
        + Array("b.exe".utf8)
      return ZipBuilder(ZipBuilder.Entry("a.txt", extra: extra)).bytes
    },
    .init("empty name", [], [.unreadableName]) { ZipBuilder([""]).bytes },
    .init("encrypted", ["a.exe"], [.encrypted]) {
      ZipBuilder(ZipBuilder.Entry("a.exe", flags: 1)).bytes
    },
    .init("masked header", ["1"], [.encrypted, .unreadableName]) {
      ZipBuilder(ZipBuilder.Entry("1", flags: 0x2001)).bytes
    },
    .init("truncated", ["a.exe"], [.damaged]) {
      ZipBuilder(["a.exe", "b.exe"]).bytes.dropLast(150)
    },
    .init("directory without members", ["a.exe"]) {
      let zip = ZipBuilder(["a.exe"]).bytes
      return Array(zip[36...])
    },
    .init("sizes of zip64 that are not there, of what is not unpacked", ["a.exe"]) {
      ZipBuilder(ZipBuilder.Entry("a.exe", claimedSize: .max)).bytes
    },
    .init("sizes of zip64 that are not there", ["a.zip", "b.exe"], [.damaged]) {
      ZipBuilder(ZipBuilder.Entry("a.zip", claimedSize: .max), ZipBuilder.Entry("b.exe")).bytes
    },
    .init("sizes of zip64 that lie", ["a.zip", "b.exe"], [.damaged]) {
      let extra: [UInt8] = [1, 0, 16, 0] + [UInt8](repeating: 0x7F, count: 16)
      return ZipBuilder(
        ZipBuilder.Entry("a.zip", extra: extra, claimedSize: .max), ZipBuilder.Entry("b.exe")
      ).bytes
    },
    .init("sizes that lie", ["a.zip", "b.exe"], [.damaged]) {
      ZipBuilder(
        ZipBuilder.Entry("a.zip", claimedSize: 1_000_000), ZipBuilder.Entry("b.exe")
      ).bytes
    },
  ]

  static let nested: [ZipCase] = [
    .init("archive in an archive", ["b.zip", "ä.exe"]) {
      ZipBuilder(ZipBuilder.Entry("b.zip", ZipBuilder(["ä.exe"]).bytes)).bytes
    },
    .init("compressed, under a harmless name", ["b.txt", "c.exe"]) {
      try pythonZip("z([('b.txt', z([('c.exe', b'x' * 1000)]))])")
    },
    .init("appended to a picture", ["photo.jpg", "c.exe"]) {
      try pythonZip("z([('photo.jpg', b'JFIF' * 20000 + z([('c.exe', b'x' * 1000)]))])")
    },
    .init("behind two bytes, in an archive of another name", ["a.dat", "b.dat", "c.exe"]) {
      try pythonZip("z([('a.dat', b'xx' + z([('b.dat', b'yy' + z([('c.exe', b'x')]))]))])")
    },
    .init("a mark by chance", ["photo.jpg"]) {
      try pythonZip("z([('photo.jpg', b'JFIF' + b'PK' + bytes([3, 4]) + b'z' * 99)])")
    },
    .init(
      "more than is searched", ["a.dat", "b.dat"], [.notSearched],
      limits: { $0.searchedBytes = 1000 }
    ) {
      try pythonZip("z([('a.dat', b'x' * 2000), ('b.dat', b'xx' + z([('c.exe', b'x')]))])")
    },
    .init("damaged", ["b.zip"], [.damaged]) {
      ZipBuilder(ZipBuilder.Entry("b.zip", Array("hello".utf8))).bytes
    },
    .init("deeper than allowed", ["a.zip", "b.zip"], [.tooDeep], limits: { $0.depth = 2 }) {
      try pythonZip("z([('a.zip', z([('b.zip', z([('c.exe', '')]))]))])")
    },
  ]

  static let bombs: [ZipCase] = [
    .init("flat: nothing is unpacked", ["a.txt"]) {
      try pythonZip("z([('a.txt', b'0' * 50000000)])")
    },
    .init("member that is no archive", ["a.zip"], [.ratio, .damaged]) {
      try pythonZip("z([('a.zip', b'0' * 50000000)])")
    },
    .init(
      "larger than allowed", ["a.zip"], [.tooLarge, .damaged], limits: { $0.bytes = 100_000 }
    ) { try pythonZip("z([('a.zip', b'0' * 500000)], zipfile.ZIP_STORED)") },
    .init("more members than there is room for", ["0.txt", "1.txt"], limits: { $0.entries = 2 }) {
      ZipBuilder((0..<5).map { "\($0).txt" }).bytes
    },
    .init(
      "more members than are opened", (0..<5).map { "\($0).txt" }, [.tooManyEntries],
      limits: { $0.visits = 2 }
    ) { ZipBuilder((0..<5).map { "\($0).txt" }).bytes },
    .init("as many members as are opened", ["0.txt", "1.txt"], limits: { $0.visits = 2 }) {
      ZipBuilder(["0.txt", "1.txt"]).bytes
    },
    .init(
      "one name again and again", ["a.txt"], [.tooManyEntries], limits: { $0.visits = 8 }
    ) { ZipBuilder((0..<20).map { _ in "a.txt" }).bytes },
  ]

  @Test(
    "members beyond those that there is room for",
    arguments: [
      (1, ["0.txt", "1.txt", "0.exe"], false), (4, ["0.txt", "1.txt"] + exes(4), false),
      (5, ["0.txt", "1.txt"] + exes(4), true),
    ])
  func keepsWhatIsOfInterest(_ count: Int, _ kept: [String], _ hasMore: Bool) {
    var limits = ArchiveLimits()
    limits.entries = 2
    let names = (0..<5).map { "\($0).txt" } + Self.exes(count) + ["9.txt"]
    let inner = ZipBuilder.Entry("a.zip", ZipBuilder(names).bytes)
    for data in [ZipBuilder(names).bytes, ZipBuilder(names).bytes + ZipBuilder(inner).bytes] {
      let listing = ArchiveReader.list(data, limits: limits) {
        $0.text.hasSuffix(".exe") ? .interest : nil
      }
      #expect(listing.members.map(\.text) == kept)
      #expect(listing.problems == (hasMore ? [.tooManyEntries] : []))
    }
  }

  private static func exes(_ count: Int) -> [String] { (0..<count).map { "\($0).exe" } }

  @Test(
    "types that archives declare",
    arguments: [
      ([ZipBuilder.Entry("mimetype", Array("a/b".utf8)), .init("x")], "a/b"),
      ([ZipBuilder.Entry("x"), .init("mimetype", Array("a/b".utf8))], nil),
      ([ZipBuilder.Entry("mimetype", flags: 1)], nil), ([ZipBuilder.Entry("mimetype.x")], nil),
      ([ZipBuilder.Entry("mimetype", extra: [0, 0, 0, 0])], nil), ([], nil),
    ] as [([ZipBuilder.Entry], String?)])
  func readsTheDeclaredType(_ entries: [ZipBuilder.Entry], _ type: String?) {
    var zip = ZipBuilder()
    zip.entries = entries
    #expect(ArchiveReader.list(zip.bytes).declaredType == type)
    zip.prefix = [0x20]
    #expect(ArchiveReader.list(zip.bytes).declaredType == nil)
  }

  @Test(
    "marks that stand in a picture by chance", arguments: [[3, 4], [1, 2], [5, 6]] as [[UInt8]])
  func randomBytesAreNoArchive(_ mark: [UInt8]) {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededBytes(seed: seed)
      let data = random.next(20_000) + Array("PK".utf8) + mark + random.next(20_000)
      let listing = ArchiveReader.list(data)
      #expect(!listing.isArchive, "seed \(seed)")
      #expect(listing.problems.isSubset(of: [.damaged]), "seed \(seed)")
    }
  }

  @Test func aPictureInAnArchiveAddsNoProblem() {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededBytes(seed: seed)
      let picture = random.next(2000) + ZipBuilder.localMark + random.next(2000)
      let listing = ArchiveReader.list(ZipBuilder(ZipBuilder.Entry("a.jpg", picture)).bytes)
      #expect(listing.isArchive && listing.problems.isEmpty, "seed \(seed)")
    }
  }

  @Test func manyOverlappingHeadersAreNotReadAgainAndAgain() {
    // Each header claims a name of 65,535 bytes that holds the following headers.
    let header: [UInt8] =
      [0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 22) + [0xFF, 0xFF, 0xFF, 0xFF]
    let data = [UInt8]((0..<30_000).map { _ in header }.joined())
    let listing = ArchiveReader.list(data)
    #expect(listing.problems.contains(.tooManyEntries))
  }

  @Test("fault 26: archives by the thousand") func manyNestedMembersEndAtTheLimits() throws {
    // 16 archives in each of 16 in each of 16 ...: a million members from a few kilobytes.
    let data = try pythonZip(
      """
      __import__('functools').reduce(
          lambda inner, level: z([(f'{level}-{n}.zip', inner) for n in range(16)]), range(5), b'x')
      """)
    let listing = ArchiveReader.list(data)
    #expect(listing.members.count <= ArchiveLimits().entries)
    #expect(!listing.problems.isEmpty)
  }

  @Test(arguments: [1, 2, 3, 5, 64])
  func sniffsAcrossPieces(_ size: Int) {
    for (data, found) in [
      (Array("abcPK".utf8) + [3, 4, 0], true), (Array("PPK".utf8) + [5, 6], true),
      (Array("PK PK".utf8) + [3, 5], false), (Array(repeating: 0x50, count: 100), false),
    ] {
      var sniffer = ArchiveSniffer()
      var rest = data[...]
      while !rest.isEmpty {
        sniffer.take(rest.prefix(size))
        rest = rest.dropFirst(size)
      }
      #expect(sniffer.foundArchive == found)
      #expect(sniffer.count == data.count)
    }
  }
}
