// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
internal import Attachments
package import Configuration
internal import Environment
internal import MIME
internal import Mail
package import Milter
package import Policy

/// Looks through every attachment, in every reading that a mail program could have of the message,
/// and takes out what is dangerous.
///
/// Late in the pipeline: who is refused anyway need not be looked into. No allow-list ends it, since
/// a friend's computer sends the same worms as a stranger's.
package struct Defang: PolicyModule {
  package typealias Options = DefangOptions

  package static var reasons: [String: String] { DefangCode.sentences }
  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var reads: [any Fact.Type] { [ProvenDomainsFact.self, ReleasedFact.self] }
  package static var edits: Actions { [.addHeaders, .changeHeaders, .replaceBody] }
  package static var yieldsToAccept: Bool { false }
  package static var isProtective: Bool { true }
  package static var needsStore: Bool { true }
  package static var remedy: Remedy { .configuration }

  let direction: Options.Direction
  let action: Options.Action
  let rules: DefangRules
  let rejectVirusFrom: VirusSenders
  let skipFrom: AddressSet
  let skipTo: AddressSet
  let notice: NoticeTemplate
  package let warnings: [SetupError]

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    direction = settings.direction
    action = settings.action
    rejectVirusFrom = try VirusSenders(settings.rejectVirusFrom)
    skipFrom = settings.skipFrom
    skipTo = settings.skipTo
    let attachments = try AttachmentRules(settings)
    notice = try Self.notice(settings.notice, services.files)
    var warnings = BannedExtensions.idleExceptions(settings.bannedExtensions).map {
      SetupError(option: "defang.banned_exts", "-\($0) takes nothing off the list")
    }
    if action == .replace, !notice.names(.reference) {
      warnings.append(
        SetupError(
          option: "defang.notice",
          "\(settings.notice.path) does not hold {reference}: whoever gets the notice cannot ask "
            + "for what was taken out"))
    }
    self.warnings = warnings
    rules = DefangRules(
      attachments: attachments, keepsSigned: settings.signed == .keep,
      encrypted: settings.encrypted, uninspected: settings.uninspected,
      ambiguous: settings.ambiguous)
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: ContentStage {
    let module: Defang
    init(module: Defang) { self.module = module }

    package func wantsContent(_ t: Transaction) -> Bool { module.reasonToSkip(t) == nil }

    package func message(_ t: Transaction) throws(MissingContent) -> Verdict {
      if let reason = module.reasonToSkip(t) {
        t.note(reason)
        return .proceed
      }
      switch t.content {
      case .whole(let message): return module.operate(on: message, t)
      case .tooLarge: return module.meetTooLarge(t)
      case .noRoom: return module.meetNoRoom(t)
      case nil: throw MissingContent()
      }
    }
  }

  /// A message that is to be looked into was not collected: it came in an order that no MTA has, or
  /// the runner has a fault. It is trouble of our own, and met by `on_error`.
  package struct MissingContent: Error, CustomStringConvertible {
    package var description: String { "the message was not collected" }
  }

  // MARK: set-up

  private static func notice(
    _ file: FilePath, _ files: any FileSource
  ) throws(SetupError) -> NoticeTemplate {
    var bytes = Array(NoticeTemplate.standard.utf8)
    if !file.isEmpty {
      do {
        bytes = try files.read(file.path)
      } catch {
        // The usual place is looked at whether or not somebody put a text there.
        guard file.path == Options.noticePath, "\(error)".hasPrefix("No such file") else {
          throw SetupError(option: "defang.notice", "\(file.path): \(error)")
        }
      }
    }
    do {
      return try NoticeTemplate(bytes)
    } catch {
      throw SetupError(
        option: "defang.notice", "\(file.path), line \(error.line): \(error.message)")
    }
  }

  // MARK: whose mail

  /// Why this message is none of our business; nil when it is.
  func reasonToSkip(_ t: Transaction) -> String? {
    if t[ReleasedFact.self] != nil { return "released from the quarantine" }
    guard let client = t[ClientClassFact.self] else { return "nothing is known of the client" }
    let isOutgoing = client.isInternal || client.isLoopback
    switch direction {
    case .incoming where isOutgoing: return "outgoing mail"
    case .outgoing where !isOutgoing: return "incoming mail"
    default: break
    }
    if !t.recipients.isEmpty, t.recipients.allSatisfy({ skipTo.contains($0.mailbox) }) {
      return "all recipients are in skip_to"
    }
    if let sender = t.sender?.mailbox, skipFrom.contains(sender) {
      let isProved =
        isOutgoing
        || sender.domain.map { t[ProvenDomainsFact.self]?.contains($0.lowercased) == true } == true
      if isProved { return "the sender is in skip_from" }
    }
    return nil
  }

  // MARK: what is done

  private func operate(on message: [UInt8], _ t: Transaction) -> Verdict {
    var report: AttachmentReport?
    var notices = NoticeWriter(self, t)
    let surgery = Surgery(
      rules.attachments,
      judge: { tree, found in
        notices.begin(tree, found)
        let judged = AttachmentReport(tree, found, rules)
        if report == nil {
          report = judged
          // What is refused or kept as a whole is not cut.
          if !isCut(judged, t) { return [] }
        }
        return judged.doomed
      },
      mayGoOn: { !t.deadline.isOver },
      treat: { tree, part in
        guard action == .replace else { return .remove }
        return .replace(notices.notice(for: part, tree))
      })
    let result: Surgery.Result?
    do {
      result = try surgery.operate(on: message)
    } catch {
      return .refuse(
        .transient(3, 0, "Temporary trouble on our side, please try again later"),
        reason(.notClean, report?.dangers ?? []))
    }
    guard let report else { return .proceed }
    if let refusal = refusal(report, t) { return refusal }
    let tagged = tag(report, t)
    if let result { return apply(result, report, t) }
    guard !report.doomed.isEmpty else { return tagged }
    let verdict = verdict(report, t)
    return verdict == .proceed ? tagged : verdict
  }

  /// Whether dangerous parts are cut out, and the message goes on.
  private func isCut(_ report: AttachmentReport, _ t: Transaction) -> Bool {
    (action == .replace || action == .remove) && refusal(report, t) == nil
  }

  /// A refusal that comes before any cut.
  private func refusal(_ report: AttachmentReport, _ t: Transaction) -> Verdict? {
    if !report.dangers.isEmpty, isRefusedAnyway(t) {
      return refuse(report, option: "reject_virus_from")
    }
    if rules.encrypted == .reject, !report.encrypted.isEmpty {
      return .refuse(
        .permanent(7, 1, "Encrypted attachments are not accepted here"),
        reason(.encrypted, report.encrypted, option: "encrypted"))
    }
    let uninspected = report.uninspected + report.beyondLimits
    if rules.uninspected == .reject && !uninspected.isEmpty
      || rules.uninspected == .defang && report.hasLongHeader
    {
      return .refuse(
        .permanent(code: 54, 6, 0, "Part of the message cannot be inspected"),
        reason(.uninspected, uninspected, option: "uninspected"))
    }
    if rules.ambiguous == .reject, !report.ambiguous.isEmpty {
      return .refuse(
        .permanent(
          code: 54, 6, 0, "The message is malformed: mail programs can read it differently"),
        reason(.ambiguous, report.ambiguous, option: "ambiguous"))
    }
    return nil
  }

  private func isRefusedAnyway(_ t: Transaction) -> Bool {
    t.sender.map { rejectVirusFrom.contains($0.mailbox) } ?? false
  }

  private func refuse(_ report: AttachmentReport, option: String) -> Verdict {
    let text =
      switch report.code {
      case .encrypted: "Encrypted attachments are not accepted here"
      case .uninspected: "Part of the message cannot be inspected"
      default: "Attachments of this kind are not accepted here: \(report.summary.inASCII)"
      }
    return .refuse(.permanent(7, 1, text), reason(report.code, report.summaries, option: option))
  }

  /// What becomes of a message with a dangerous part where parts are not cut.
  private func verdict(_ report: AttachmentReport, _ t: Transaction) -> Verdict {
    let reason = reason(report.code, report.summaries, option: "action")
    switch action {
    case .reject: return refuse(report, option: "action")
    case .discard: return .discard(reason)
    case .hold: return .hold(reason)
    case .quarantine:
      t.keepOriginal(KeptOriginal(reason))
      return .quarantine(reason)
    case .replace, .remove, .tag: return .proceed
    }
  }

  private func meetTooLarge(_ t: Transaction) -> Verdict {
    let size = "\(t.size) bytes"
    guard rules.uninspected == .tag else {
      return .refuse(
        .permanent(code: 52, 3, 4, "The message is too large to be inspected"),
        reason(.tooLarge, [size], option: "uninspected"))
    }
    t.add(.addHeader(name: Self.fieldName, value: MailText("uninspected; too large")))
    return .change(reason(.tooLarge, ["tagged, \(size)"], option: "uninspected"))
  }

  private func meetNoRoom(_ t: Transaction) -> Verdict {
    .refuse(
      .transient(code: 52, 3, 2, "Too much mail at once, please try again later"),
      reason(.noRoom, ["\(t.size) bytes"], option: nil))
  }

  private func reason(_ code: DefangCode, _ details: [String], option: String? = nil) -> Reason {
    Reason(
      module: Options.name, code: code.rawValue, detail: details.listed,
      option: option.map { "\(Options.name).\($0)" })
  }

  // MARK: what changes

  /// The field that says what was found where nothing was taken out.
  static let fieldName = "X-BMS-Attachment"

  /// Says what was found and stays; `proceed` where there is nothing to say.
  private func tag(_ report: AttachmentReport, _ t: Transaction) -> Verdict {
    var found: [(code: DefangCode, text: String)] = []
    func note(_ code: DefangCode, _ word: String, _ texts: [String]) {
      found += texts.map { (code, "\(word); \($0)") }
    }
    if action == .tag { note(.dangerous, "dangerous", report.dangers) }
    note(.dangerous, "dangerous but signed", report.keptSigned)
    let staysAnyway = action == .tag || rules.keepsSigned
    if rules.encrypted == .tag || staysAnyway { note(.encrypted, "encrypted", report.encrypted) }
    if rules.uninspected == .tag || staysAnyway {
      note(.uninspected, "uninspected", report.uninspected)
    }
    if rules.ambiguous == .tag, !report.ambiguous.isEmpty {
      note(.ambiguous, "ambiguous", [report.ambiguous.joined(separator: ", ")])
    }
    guard let first = found.first else { return .proceed }
    for (_, text) in found.prefix(Self.mostFields) {
      t.add(.addHeader(name: Self.fieldName, value: MailText(text.inASCII)))
    }
    return .change(reason(first.code, ["tagged " + found.map(\.text).listed]))
  }

  /// The most fields that one message gets.
  private static let mostFields = 10

  private func apply(
    _ result: Surgery.Result, _ report: AttachmentReport, _ t: Transaction
  ) -> Verdict {
    for edit in result.headerEdits { t.add(edit) }
    if let body = result.body { t.add(.replaceBody(body)) }
    t.keepOriginal(
      KeptOriginal(
        reason(report.code, report.summaries, option: "action"),
        removed: result.removed.map { removed in
          KeptOriginal.Part(
            number: removed.number,
            name: (removed.part.names.first { $0.isFileName } ?? removed.part.names.first)?.text
              ?? "",
            type: removed.part.type.name, content: removed.content)
        }))
    let word = action == .replace ? "replaced" : "removed"
    return .change(reason(report.code, ["\(word) \(report.summaries.listed)"], option: "action"))
  }
}

extension AttachmentReport {
  /// What weighs most.
  var code: DefangCode {
    if !dangers.isEmpty { return .dangerous }
    return encrypted.isEmpty ? .uninspected : .encrypted
  }
  /// What is dangerous or cannot be inspected, in the order found.
  var summaries: [String] { dangers.isEmpty ? encrypted + uninspected : dangers }
  /// All of it in one line.
  var summary: String { summaries.listed }
}

extension [String] {
  /// The first few in one line.
  fileprivate var listed: String {
    let most = 8
    let shown = prefix(most).joined(separator: ", ")
    return count > most ? "\(shown) and \(count - most) more" : shown
  }
}

extension String {
  /// For places where only ASCII may stand.
  fileprivate var inASCII: String {
    String(unicodeScalars.map { $0.isASCII ? Character($0) : "?" })
  }
}
