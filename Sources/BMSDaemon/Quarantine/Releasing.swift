// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Control
internal import Digests
internal import Environment
internal import Glibc
internal import Mail
internal import Policy
internal import Quarantine
internal import Store
internal import Submission

/// `bmsd quarantine release`: hands a kept message in again, with a token that lets it pass.
///
/// Runs on the thread of one command; no mail waits for it.
struct Releasing {
  private let administration: Administration
  private let quarantine: FileQuarantine
  private let caller: ControlCaller

  private static let patience = Duration.seconds(5)
  /// The longest reason, in bytes.
  static let longestReason = 1000

  init(_ administration: Administration, _ quarantine: FileQuarantine, _ caller: ControlCaller) {
    self.administration = administration
    self.quarantine = quarantine
    self.caller = caller
  }

  func perform(
    _ request: ReleaseRequest, _ mail: KeptMail, _ row: (QuarantineRow) throws -> Void
  ) throws -> ControlEnd {
    try Self.check(request)
    let recipients = try recipients(request, mail)
    let (form, content) = try content(request, mail, recipients)
    let isOriginal = form == ReleaseRequest.Form.original.rawValue
    let order = FileQuarantine.Order(
      reference: mail.reference, form: form, caller: caller.description,
      reason: request.reason)
    let submit = administration.configuration.settings(SubmitOptions.self)
    return try withoutActuallyEscaping(row) { row in
      // Who left does not stop what is under way.
      let client = SMTPClient(
        submit.smtp, hello: hostName, limit: submit.timeout.duration,
        time: administration.time, waiting: { try? row(.waiting) })
      return try send(
        content, order, by: client,
        SMTPClient.Envelope(
          sender: isOriginal ? Mailbox(envelope: mail.sender).address : "",
          recipients: recipients, size: content.count + 400,
          isEightBit: content.contains { $0 > 0x7F }), row)
    }
  }

  /// What cannot be done as it is asked for is not done otherwise.
  private static func check(_ request: ReleaseRequest) throws(ControlEnd) {
    guard request.part == nil || request.form == .attached else {
      throw ControlEnd(EX_USAGE, ["a part goes attached: it is no message of its own"])
    }
    let size = request.reason.utf8.count
    guard size <= longestReason else {
      throw ControlEnd(
        EX_USAGE, ["the reason has \(size) bytes, and at most \(longestReason) are kept"])
    }
  }

  private func send(
    _ content: [UInt8], _ order: FileQuarantine.Order, by client: SMTPClient,
    _ envelope: SMTPClient.Envelope, _ row: (QuarantineRow) throws -> Void
  ) throws -> ControlEnd {
    let message = EditedMessage(collected: content)
    var id: String?
    do throws(SubmissionTrouble) {
      let outcome = try client.send(envelope) { accepted throws(SubmissionTrouble) in
        do throws(QuarantineTrouble) {
          let (release, token) = try quarantine.authorise(
            order, message, to: accepted, within: Self.patience)
          id = release.id
          let field = Array("\(ReleaseToken.fieldName): ".utf8) + token.value.bytes + [0x0D, 0x0A]
          return [field[...], content[...]]
        } catch {
          throw .content(error.description)
        }
      }
      try? row(.sent(to: outcome.accepted, reply: outcome.reply.description))
      var messages = outcome.refused.map { "not to \($0.recipient): \($0.reply)" }
      if try !wasSeen(id) {
        messages.append(
          "the message was taken, but did not come past this bmsd: it keeps its field "
            + "\(ReleaseToken.fieldName). Is bmsd the milter of [submit] smtp?")
      }
      return ControlEnd(messages.isEmpty ? 0 : 1, messages)
    } catch {
      return failed(error, wasSeen: (try? wasSeen(id)) ?? false)
    }
  }

  /// Whether the filter let the message pass.
  private func wasSeen(_ id: String?) throws(SubmissionTrouble) -> Bool {
    guard let id else { return false }
    do { return try quarantine.store.release(id)?.used != nil } catch {
      throw .content(error.description)
    }
  }

  private func failed(_ trouble: SubmissionTrouble, wasSeen: Bool) -> ControlEnd {
    var messages = ["not released: \(trouble)"]
    if trouble.isUncertain, wasSeen {
      messages = ["\(trouble); it passed the filter and may have been taken"]
    }
    if case .refused(_, let reply) = trouble, reply.isTransient {
      return ControlEnd(EX_TEMPFAIL, messages)
    }
    return ControlEnd(EX_UNAVAILABLE, messages)
  }

  // MARK: what is sent

  private func recipients(
    _ request: ReleaseRequest, _ mail: KeptMail
  ) throws(ControlEnd) -> [MailText] {
    guard let text = request.recipient else {
      return mail.recipients.map { Mailbox(envelope: $0).address }
    }
    let mailbox = Mailbox(envelope: MailText(text))
    // A list would be read as one mailbox with an odd local part.
    guard text.hasPrefix("\"") || !text.contains(where: { ", ;".contains($0) }),
      mailbox.domain != nil, !mailbox.localPart.isEmpty, SMTPClient.isSafe(mailbox.address)
    else {
      throw ControlEnd(EX_USAGE, ["\(MailText(text)) is no address"])
    }
    return [mailbox.address]
  }

  private func content(
    _ request: ReleaseRequest, _ mail: KeptMail, _ recipients: [MailText]
  ) throws -> (form: String, content: [UInt8]) {
    let original = try quarantine.content(of: mail)
    guard request.part != nil || request.form == .attached else {
      return (ReleaseRequest.Form.original.rawValue, original)
    }
    var nonce: [UInt8] = []
    for _ in 0..<2 { withUnsafeBytes(of: quarantine.random.next()) { nonce += $0 } }
    let letter = ReleaseLetter(
      mail: mail, from: contact, recipients: recipients, time: administration.time.milliseconds,
      nonce: Hexadecimal.text(nonce), reason: request.reason)
    guard let number = request.part else {
      return (ReleaseRequest.Form.attached.rawValue, letter.attaching(original))
    }
    let part = try administration.part(number, of: original, mail)
    return ("part \(number)", letter.attaching(part, number: number))
  }

  private var hostName: String {
    let name = administration.configuration.settings(NetworkOptions.self).hostname
    guard name.isEmpty else { return name }
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
    let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return bytes.isEmpty ? "localhost" : String(decoding: bytes, as: UTF8.self)
  }

  private var contact: String {
    let contact = administration.configuration.settings(NetworkOptions.self).contact
    return contact.contains("@") ? contact : "\(contact)@\(hostName)"
  }
}
