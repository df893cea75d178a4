// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import FoundationEssentials
import Mail
import Milter
import Policies
import Policy
import TestSupport
import Testing

/// What becomes of messages with attachments. How they are taken apart and cut is tested with the
/// libraries (MIMETests, AttachmentsTests).
struct DefangTests {
  /// A text, an attachment called `name`, and a picture.
  static func message(
    _ name: String = "setup.exe", type: String = "application/octet-stream",
    text: String = "text/plain"
  ) -> [UInt8] {
    Array(
      """
      From: Ann <ann@example.com>
      Subject: three
      MIME-Version: 1.0
      Content-Type: multipart/mixed; boundary="b"

      Preamble
      --b
      Content-Type: \(text)

      Hello
      --b
      Content-Type: \(type); name="\(name)"
      Content-Transfer-Encoding: base64

      TVqQAAMAAAAE
      --b
      Content-Type: image/png; name="picture.png"
      Content-Transfer-Encoding: base64

      iVBORw0KGgo=
      --b--
      Epilogue

      """.replacing("\n", with: "\r\n").utf8)
  }

  /// A message without parts that is itself the attachment.
  static let bare = Array(
    """
    From: Ann <ann@example.com>
    Content-Type: application/octet-stream; name="setup.exe"
    Content-Transfer-Encoding: base64

    TVqQAAMAAAAE

    """.replacing("\n", with: "\r\n").utf8)

  static func run(
    _ message: [UInt8], _ options: String = "", on conversation: Conversation = Conversation(),
    files: [String: String] = [:], to recipient: MailText = "<bob@example.org>"
  ) throws -> (result: ConversationResult, after: EditedMessage, site: Site) {
    let site = try Site("[defang]\nmode = enforce\n" + options, files: files)
    let before = EditedMessage(parsing: message)
    let result = try conversation.from("<ann@example.com>").to(recipient)
      .headers(before.headers).body(before.body).run(on: site)
    var after = before
    for edit in result.message.edits { after.apply(edit) }
    return (result, after, site)
  }

  // MARK: replace and remove

  @Test func replacesOnlyWhatIsDangerous() throws {
    let original = Self.message()
    let (result, after, site) = try Self.run(original)
    #expect(result.message.end == .proceed)
    let text = String(decoding: after.bytes, as: UTF8.self)
    let parts = text.components(separatedBy: "--b\r\n")
    let before = String(decoding: original, as: UTF8.self).components(separatedBy: "--b\r\n")
    try #require(parts.count == 4)
    #expect(parts[0] == before[0])
    #expect(parts[1] == before[1])
    #expect(parts[3] == before[3])
    #expect(!parts[2].contains("setup.exe\""))
    #expect(parts[2].contains("setup.exe (application/octet-stream, 9 bytes)"))
    let reference = try #require(result.record?.reference)
    #expect(parts[2].contains("reference \(reference)"))
    #expect(result.message.edits.map(\.kind) == ["replace body"])
    let kept = try #require(site.originals.kept.first)
    #expect(kept.message == original)
    #expect(kept.reference == reference)
    #expect(kept.original.removed.map(\.number) == ["2"])
    #expect(kept.original.removed.map(\.name) == ["setup.exe"])
    #expect(kept.original.removed.map(\.content) == [[0x4D, 0x5A, 0x90, 0, 3, 0, 0, 0, 4]])
    let decision = try #require(result.decisions.last { $0.module == "defang" })
    #expect(decision.verdict.word == "change")
    #expect(decision.verdict.reason?.detail == "replaced setup.exe: .exe")
    #expect(result.reasons == ["defang dangerous-attachment enforced"])
  }

  @Test func leavesOtherMailAlone() throws {
    let original = Self.message("report.pdf", type: "application/pdf")
    let (result, after, site) = try Self.run(original)
    #expect(result.message.edits.isEmpty)
    #expect(after.bytes == original)
    #expect(site.originals.kept.isEmpty)
  }

  @Test func removes() throws {
    let (result, after, site) = try Self.run(Self.message(), "action = remove")
    #expect(result.message.end == .proceed)
    let text = String(decoding: after.bytes, as: UTF8.self)
    #expect(text.components(separatedBy: "--b\r\n").count == 3)
    #expect(!text.contains("TVqQ"))
    #expect(site.originals.kept.count == 1)
  }

  @Test func changesTheHeaderOfABareAttachment() throws {
    let (result, after, _) = try Self.run(Self.bare)
    #expect(result.message.end == .proceed)
    #expect(
      after.headers.first { $0.isNamed("Content-Type") }?.value == "text/plain; charset=utf-8")
    #expect(after.headers.first?.value == "Ann <ann@example.com>")
    #expect(!String(decoding: after.bytes, as: UTF8.self).contains("TVqQ"))
  }

  @Test func writesHTMLWhereThereIsNothingElse() throws {
    let (_, after, _) = try Self.run(Self.message("a<b>.exe", text: "text/html"))
    let text = String(decoding: after.bytes, as: UTF8.self)
    #expect(text.contains("Content-Type: text/html; charset=utf-8"))
    #expect(text.contains("a&lt;b&gt;.exe"))
  }

  // MARK: other actions

  @Test(arguments: [
    ("reject", "550 5.7.1", "reject"), ("discard", "ok", "discard"),
    ("quarantine", "ok", "quarantine"), ("hold", "ok", "hold"), ("tag", "ok", "accept"),
  ])
  func acts(_ action: String, _ code: String, _ ending: String) throws {
    let (result, after, site) = try Self.run(Self.message(), "action = \(action)")
    #expect(result.message.end.code == code)
    #expect(result.record?.ending.word == ending)
    #expect(after.body == EditedMessage(parsing: Self.message()).body)
    #expect(site.originals.kept.count == (action == "quarantine" ? 1 : 0))
    #expect(
      after.headers.last.map { "\($0.name): \($0.value)" }
        == (action == "tag"
          ? "X-BMS-Attachment: dangerous; setup.exe: .exe"
          : "Content-Type: multipart/mixed; boundary=\"b\""))
    #expect((after.quarantineReason != nil) == (action == "hold"))
    if action == "quarantine" || action == "discard" { #expect(result.message.end == .discard) }
  }

  @Test(arguments: ["example.com", "@EXAMPLE.com", "Ann@example.com", "\"ann\"@example.com"])
  func refusesListedSenders(_ item: String) throws {
    let options = "reject_virus_from = \(item), other.example.com"
    let (result, _, site) = try Self.run(Self.message(), options)
    #expect(result.message.end.code == "550 5.7.1")
    #expect(result.message.end.reply?.contains("setup.exe: .exe") == true)
    #expect(site.originals.kept.isEmpty)
    #expect(try Self.run(Self.message("a.pdf"), options).result.message.end == .proceed)
  }

  @Test func onlyObserves() throws {
    let site = try Site("[defang]\nmode = observe")
    let before = EditedMessage(parsing: Self.message())
    let result = try Conversation().from().to("<bob@example.org>").headers(before.headers)
      .body(before.body).run(on: site)
    #expect(result.message.edits.isEmpty)
    #expect(result.record?.observedEdits.map(\.kind) == ["replace body"])
    #expect(result.reasons == ["defang dangerous-attachment observed"])
    #expect(site.originals.kept.isEmpty)
  }

  @Test func defersWhatCannotBeKept() throws {
    for action in ["replace", "remove", "quarantine"] {
      for trouble in ["tempfail", "skip"] {
        let site = try Site("[defang]\nmode = enforce\naction = \(action)\non_error = \(trouble)")
        site.originals.fill()
        let before = EditedMessage(parsing: Self.message())
        let result = try Conversation().from().to("<bob@example.org>").headers(before.headers)
          .body(before.body).run(on: site)
        #expect(result.message.end.code == "451 4.3.0", "\(action) \(trouble)")
        #expect(result.message.edits.isEmpty)
        #expect(result.reasons.contains("defang not-kept enforced"))
      }
    }
  }

  @Test func defersWhenTheMTATakesNoBody() throws {
    let (result, _, site) = try Self.run(
      Self.message(), on: Conversation().refusingEdits("replace body"))
    #expect(result.message.end.code == "451 4.3.0")
    // Its sender tries again: each time would leave a copy.
    #expect(site.originals.kept.isEmpty)
  }

  /// A mail server that is gone may take the message by its own rule, and half of it is cut by then.
  @Test func keepsTheOriginalWhereTheMTAIsGone() throws {
    let (result, _, site) = try Self.run(
      Self.message(), on: Conversation().refusingEdits("replace body").fromLostMTA())
    #expect(result.message.end.code == "451 4.3.0")
    #expect(site.originals.kept.count == 1)
  }

  // MARK: whose mail

  struct Skip: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let options: String
    var conversation = Conversation()
    var recipient: MailText = "<bob@example.org>"
    let isCut: Bool
  }

  @Test(arguments: [
    Skip(testDescription: "incoming", options: "direction = incoming", isCut: true),
    Skip(
      testDescription: "incoming is not outgoing", options: "direction = outgoing", isCut: false),
    Skip(
      testDescription: "our own client", options: "direction = incoming",
      conversation: Conversation().localClient(), isCut: false),
    Skip(
      testDescription: "outgoing", options: "direction = outgoing",
      conversation: Conversation().localClient(), isCut: true),
    Skip(
      testDescription: "a user of ours is outgoing", options: "direction = incoming",
      conversation: Conversation().auth("ann"), isCut: false),
    Skip(
      testDescription: "any", options: "direction = any", conversation: Conversation().auth("ann"),
      isCut: true),
    Skip(
      testDescription: "skip_from of a stranger without proof", options: "skip_from = @example.com",
      isCut: true),
    Skip(
      testDescription: "skip_from of a user", options: "direction = any\nskip_from = @example.com",
      conversation: Conversation().auth("ann"), isCut: false),
    Skip(
      testDescription: "skip_to", options: "skip_to = lab@example.org",
      recipient: "<lab@example.org>", isCut: false),
    Skip(
      testDescription: "always_accept does not mean harm",
      options: "[network]\nalways_accept = bob@example.org", isCut: true),
  ])
  func skips(_ row: Skip) throws {
    let (result, _, _) = try Self.run(
      Self.message(), row.options, on: row.conversation, to: row.recipient)
    #expect(result.message.end == .proceed)
    #expect(result.message.edits.map(\.kind) == (row.isCut ? ["replace body"] : []))
  }

  @Test func skipsAProvedSender() throws {
    let site = try Site(
      "[spf]\nmode = observe\n[defang]\nmode = enforce\nskip_from = @example.com",
      zone: "example.com TXT \"v=spf1 ip4:192.0.2.1 -all\"")
    let before = EditedMessage(parsing: Self.message())
    let result = try Conversation().from("<ann@example.com>").to("<bob@example.org>")
      .headers(before.headers).body(before.body).run(on: site)
    #expect(result.message.edits.isEmpty)
  }

  // MARK: options

  @Test(arguments: [
    ("banned_exts = doc", "a.doc", true), ("banned_exts = doc", "a.exe", false),
    ("banned_exts = default, .DOC", "a.doc", true), ("banned_exts = default, doc", "a.exe", true),
    ("banned_exts = default, -exe", "a.exe", false),
    ("banned_exts = default, -.exe", "a.scr", true),
    ("banned_exts = -iso", "a.exe", true), ("banned_exts = -iso", "a.iso", false),
  ])
  func bans(_ options: String, _ name: String, isCut: Bool) throws {
    let (result, _, _) = try Self.run(Self.message(name), options)
    #expect(result.message.edits.isEmpty == !isCut)
  }

  @Test func takesANoticeOfOurs() throws {
    let (_, after, _) = try Self.run(
      Self.message(), "[network]\ncontact = help@example.org",
      files: [
        DefangOptions.noticePath: "{{{names}}} of {sender}: ask {contact} on {host}, {reason}.\n"
      ])
    let text = String(decoding: after.bytes, as: UTF8.self)
    #expect(
      text.replacing("=\r\n", with: "").contains(
        "{setup.exe} of ann@example.com: ask help@example.org on mx.example.org, files ending in "
          + ".exe are not let in."))
  }

  @Test(arguments: [
    ("notice = /missing", "/missing: No such file"),
    ("notice = /bad", "/bad, line 2: there is no {nmae}"),
    ("notice = /lone", "/lone, line 1: a brace stands alone"),
    ("banned_exts = default, e/e", "\"e/e\" is no extension"),
    ("banned_exts =", "no extension is banned"),
    ("banned_exts = defualt", "\"defualt\" is no extension of a file: is the word default"),
    ("notice = /empty", "/empty, line 1: the notice is empty"),
    ("notice = /blank", "/blank, line 1: the notice is empty"),
    ("reject_virus_from = *.example.com", "\"*.example.com\" would match nobody"),
    ("reject_virus_from = a b@example.com", "\"a b@example.com\" would match nobody"),
    ("reject_virus_from = example.com; b@example.com", "\"example.com; b@example.com\" would"),
    ("reject_virus_from = ok@example.com, ann@", "\"ann@\" would match nobody"),
    ("reject_virus_from = @", "\"@\" would match nobody"),
    ("reject_virus_from = .example.com", "\".example.com\" would match nobody"),
    ("reject_virus_from = example..com", "\"example..com\" would match nobody"),
    ("reject_virus_from = file:/list", "\"file:/list\" would match nobody"),
  ])
  func saysWhatIsWrong(_ options: String, _ fault: String) throws {
    let files = ["/bad": "first\n{nmae}", "/lone": "a } b", "/empty": "", "/blank": " \n\t\n"]
    let faults = #expect(throws: SetupFaults.self) {
      try Site("[defang]\nmode = enforce\n" + options, files: files)
    }
    #expect(faults?.faults.first?.message.hasPrefix(fault) == true, "\(faults?.faults ?? [])")
  }

  @Test func takesNoNoticeThatIsNotUTF8() throws {
    let faults = #expect(throws: SetupFaults.self) {
      try Site("[defang]\nmode = enforce\nnotice = /latin1") {
        $0.files = FakeFiles(bytes: ["/latin1": Array("é\n{parts}\ncaf".utf8) + [0xE9, 0x0A]])
      }
    }
    #expect(faults?.faults.map(\.message) == ["/latin1, line 3: the text is not UTF-8"])
  }

  @Test(arguments: [
    ("replace", "gone, ask for {reference}", true), ("replace", "gone", false),
    ("remove", "gone", true), ("replace", "gone {{reference}}", false),
  ])
  func warnsOfANoticeWithoutReference(_ action: String, _ text: String, isWell: Bool) throws {
    let site = try Site(
      "[defang]\nmode = enforce\naction = \(action)\nnotice = /notice",
      files: ["/notice": text])
    let warnings = site.pipeline.modules.flatMap(\.warnings)
    #expect(warnings.map(\.option) == (isWell ? [] : ["defang.notice"]))
    #expect(warnings.allSatisfy { $0.message.hasPrefix("/notice does not hold {reference}") })
  }
}
