// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Digests
import Environment
import FoundationEssentials
import GRDB
import Glibc
import Mail
import Store
import TestSupport
import Testing

@testable import Quarantine

/// A quarantine in a folder of its own, and how to look into it.
struct QuarantineWorld {
  let home: TemporaryFolder
  let time = FakeTime()
  let store: StateStore
  let folder: FailingFolder
  let quarantine: FileQuarantine

  init(_ rules: QuarantineRules = QuarantineRules()) throws {
    home = try TemporaryFolder()
    store = try StateStore(path: home.path("bms.db"), time: time)
    folder = FailingFolder(home.path("quarantine"))
    try SystemFolder(folder.path).make(mode: 0o750)
    quarantine = FileQuarantine(
      folder: folder, store: store, random: FakeRandom(), rules: rules)
  }

  var deadline: Deadline { Deadline(.seconds(20), time) }

  static func mail(_ reference: String) -> KeptMail {
    KeptMail(
      reference: reference, time: 0, sender: "<a@example.com>", recipients: ["<b@example.org>"],
      module: "defang", reason: "banned extension", size: 0, digest: "")
  }

  func keep(_ text: String, as mail: KeptMail) throws(QuarantineTrouble) {
    try quarantine.keep([Array(text.utf8)[...]], as: mail, by: deadline)
  }

  func keep(_ text: String, _ reference: String) throws(QuarantineTrouble) {
    try keep(text, as: Self.mail(reference))
  }

  /// The names in the folder.
  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }
}

struct QuarantineTests {
  static let reference = "K7Q2M9XA4T"

  @Test func keepsAMessageWithEverythingKnownOfIt() throws {
    let world = try QuarantineWorld()
    let digest = try SHA256.digest(of: Array("MZ".utf8)).description
    var mail = QuarantineWorld.mail(Self.reference)
    mail.sender = MailText([0x3C, 0xE9, 0x40, 0x78, 0x3E])
    mail.recipients = ["<b@example.org>", MailText([0x3C, 0xFF, 0x3E])]
    mail.subject = MailText([0x68, 0x00, 0x69])
    mail.queueID = "4ZBC"
    mail.client = "192.0.2.1"
    mail.user = "ann"
    mail.clientClass = "external ptr=present"
    mail.direction = "incoming"
    mail.parts = [
      KeptMail.Part(
        number: "1.2", name: "a\u{202E}fdp.exe", type: "application/octet-stream", size: 2,
        digest: digest)
    ]
    let content = Array("Subject: x\r\n\r\nbody \0\r\n".utf8)
    try world.quarantine.keep(
      [content[..<5], [], content[5...]], as: mail, by: world.deadline)
    let kept = try #require(try world.quarantine.entry(Self.reference))
    mail.time = world.time.milliseconds
    mail.size = content.count
    mail.digest = try SHA256.digest(of: content).description
    #expect(kept == mail)
    #expect(try world.quarantine.content(of: kept) == content)
    #expect(try world.names == ["K7Q2M9XA4T.eml"])
    var status = stat()
    #expect(stat(world.folder.path + "/K7Q2M9XA4T.eml", &status) == 0)
    #expect(status.st_mode & 0o777 & ~0o640 == 0)
    #expect(world.quarantine.faults == [])
  }

  @Test func forgetsWhatItKept() throws {
    let world = try QuarantineWorld()
    try world.keep("one", Self.reference)
    try world.keep("other", "K7Q2M9XA4V")
    try world.quarantine.forget(Self.reference, by: world.deadline)
    try world.quarantine.forget(Self.reference, by: world.deadline)
    #expect(try world.names == ["K7Q2M9XA4V.eml"])
    #expect(try world.store.keptTotal() == (1, 5))
    #expect(try world.quarantine.entry(Self.reference) == nil)
  }

  @Test func forgetsTheIndexFirst() throws {
    let world = try QuarantineWorld()
    try world.keep("one", Self.reference)
    world.folder.fail(.remove, with: EROFS)
    #expect(throws: QuarantineTrouble.notWritable(path: world.folder.path)) {
      try world.quarantine.forget(Self.reference, by: world.deadline)
    }
    #expect(try world.quarantine.entry(Self.reference) == nil)
  }

  @Test func keepsTheSameMessageOnce() throws {
    let world = try QuarantineWorld()
    try world.keep("one", Self.reference)
    try world.keep("one", Self.reference)
    #expect(throws: QuarantineTrouble.badReference(Self.reference)) {
      try world.keep("two", Self.reference)
    }
    #expect(try world.store.keptTotal() == (1, 3))
    #expect(try world.names == ["K7Q2M9XA4T.eml"])
  }

  @Test(arguments: [
    "", "../../etc/a", "K7Q2M9XA4", "K7Q2M9XA4TT", "k7q2m9xa4t", "K7Q2M9/A4T", "K7Q2M9XA4\0",
  ])
  func namesNoFileByWhatIsNoReference(_ reference: String) throws {
    let world = try QuarantineWorld()
    #expect(throws: QuarantineTrouble.badReference(reference)) {
      try world.keep("x", reference)
    }
    #expect(try world.names == [])
  }

  struct Failure: CustomTestStringConvertible, Sendable {
    let step: FailingFolder.Step
    let code: Int32
    let trouble: @Sendable (String) -> QuarantineTrouble
    var testDescription: String { "\(step.rawValue): \(String(cString: strerror(code)))" }
  }

  static let failures: [Failure] = [
    Failure(step: .create, code: ENOENT) { .missing(path: $0) },
    Failure(step: .create, code: EACCES) { .notWritable(path: $0) },
    Failure(step: .create, code: EROFS) { .notWritable(path: $0) },
    Failure(step: .create, code: ENOSPC) { .full(path: $0) },
    Failure(step: .write, code: ENOSPC) { .full(path: $0) },
    Failure(step: .write, code: EDQUOT) { .full(path: $0) },
    Failure(step: .write, code: EIO) { .folder(path: $0, "Input/output error") },
    Failure(step: .synchronizeFile, code: ENOSPC) { .full(path: $0) },
    Failure(step: .synchronizeFile, code: EIO) { .folder(path: $0, "Input/output error") },
    Failure(step: .rename, code: EXDEV) { .otherFileSystem(path: $0) },
    Failure(step: .rename, code: ENOSPC) { .full(path: $0) },
    Failure(step: .synchronizeFolder, code: EIO) { .folder(path: $0, "Input/output error") },
  ]

  @Test(arguments: failures)
  func leavesNothingBehindWhenAStepFails(_ failure: Failure) throws {
    let world = try QuarantineWorld()
    world.folder.fail(failure.step, with: failure.code)
    let expected = failure.trouble(world.folder.path)
    #expect(throws: expected) { try world.keep("some text", Self.reference) }
    #expect(try world.names == [])
    #expect(try world.quarantine.entry(Self.reference) == nil)
    #expect(world.quarantine.faults.first?.contains("\(expected)") == true)
    world.folder.recover()
    try world.keep("some text", Self.reference)
    #expect(world.quarantine.faults == [])
  }

  @Test func leavesNothingBehindWhenTheIndexIsLocked() throws {
    let world = try QuarantineWorld()
    let other = try DatabaseQueue(path: world.home.path("bms.db"))
    try other.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN IMMEDIATE")
      #expect(throws: QuarantineTrouble.index(.busy)) { try world.keep("x", Self.reference) }
      try db.execute(sql: "ROLLBACK")
    }
    #expect(try world.names == [])
    world.time.advance(by: .seconds(2))
    try world.keep("x", Self.reference)
    #expect(try world.names == ["K7Q2M9XA4T.eml"])
  }

  /// What a process leaves that ends between two steps.
  @Test func neverTakesHalfAFileForAWholeOne() throws {
    let world = try QuarantineWorld()
    let file = try world.folder.create(".K7Q2M9XA4T.1.part")
    try Array("half".utf8).withUnsafeBytes { try file.write($0) }
    #expect(try world.quarantine.entry(Self.reference) == nil)
    #expect(try world.quarantine.care(within: .seconds(1)) == [])
    #expect(try world.names == [".K7Q2M9XA4T.1.part"])
    #expect(world.quarantine.removeUnfinished() == 1)
    #expect(try world.names == [])
  }

  @Test func asksForAFolderAndForRightsInIt() throws {
    let world = try QuarantineWorld()
    rmdir(world.folder.path)
    #expect(throws: QuarantineTrouble.missing(path: world.folder.path)) {
      try world.keep("x", Self.reference)
    }
    #expect(throws: QuarantineTrouble.self) { try world.quarantine.care(within: .seconds(1)) }
    #expect(world.quarantine.faults.first?.contains("is not there") == true)
    try SystemFolder(world.folder.path).make(mode: 0o750)
    _ = try world.quarantine.care(within: .seconds(1))
    #expect(world.quarantine.faults.count == 1)
    try world.keep("x", Self.reference)
    #expect(world.quarantine.faults == [])
  }

  @Test func saysThatTheFolderCannotBeWritten() throws {
    let world = try QuarantineWorld()
    world.folder.fail(.check, with: EACCES)
    _ = try world.quarantine.care(within: .seconds(1))
    #expect(world.quarantine.faults.first?.contains("cannot be written") == true)
    world.folder.recover()
    _ = try world.quarantine.care(within: .seconds(1))
    #expect(world.quarantine.faults == [])
  }

  @Test func leavesRoomOnTheDisk() throws {
    let world = try QuarantineWorld(QuarantineRules(minFree: 1000))
    world.folder.setFree(104)
    #expect(throws: QuarantineTrouble.full(path: world.folder.path)) {
      try world.keep("12345", Self.reference)
    }
    try world.keep("1234", Self.reference)
    world.folder.setFree(99)
    _ = try world.quarantine.care(within: .seconds(1))
    #expect(world.quarantine.faults.first?.contains("no space") == true)
  }

  @Test func keepsNoMessageThatIsLargerThanAll() throws {
    let world = try QuarantineWorld(QuarantineRules(maximumSize: 4))
    #expect(throws: QuarantineTrouble.tooLarge(size: 5, limit: 4)) {
      try world.keep("12345", Self.reference)
    }
  }

  @Test func noticesAFileThatIsGoneOrChanged() throws {
    let world = try QuarantineWorld()
    try world.keep("some text", Self.reference)
    let mail = try #require(try world.quarantine.entry(Self.reference))
    let path = world.folder.path + "/K7Q2M9XA4T.eml"
    for text in [
      "some test", "some tex", "some text and more",
      String(repeating: "some text", count: 10_000),
    ] {
      try Data(text.utf8).write(to: URL(filePath: path))
      #expect(throws: QuarantineTrouble.damaged(reference: Self.reference)) {
        try world.quarantine.content(of: mail)
      }
    }
    unlink(path)
    #expect(
      throws: QuarantineTrouble.gone(
        reference: Self.reference, what: "\(world.folder.path)/\(Self.reference).eml")
    ) {
      try world.quarantine.content(of: mail)
    }
    symlink("/etc/passwd", path)
    #expect(throws: QuarantineTrouble.self) { try world.quarantine.content(of: mail) }
    // Deleting goes on without the file, and follows no link.
    #expect(try world.quarantine.delete(Self.reference, within: .seconds(1)) != nil)
    #expect(access("/etc/passwd", F_OK) == 0)
    #expect(try world.quarantine.delete(Self.reference, within: .seconds(1)) == nil)
    #expect(try world.names == [])
  }
}
