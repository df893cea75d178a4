// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Control
internal import Digests
internal import Environment
internal import FoundationEssentials
internal import Glibc
internal import Mail
internal import Policy
internal import Quarantine
internal import Store

extension Administration {
  /// The most messages in one answer: they are in the memory of the process that carries mail.
  private static let longestList = 10_000
  /// Bytes in one row: with base64 a line stays below a megabyte.
  private static let pieceSize = 256 << 10
  /// How long a step waits for the database.
  private static let patience = Duration.seconds(5)

  /// There is no quarantine.
  private static let noQuarantine = ControlEnd(
    EX_CONFIG, ["\(QuarantineTrouble.absent)"])

  func perform(
    _ request: QuarantineRequest, by caller: ControlCaller, _ row: (QuarantineRow) throws -> Void
  ) throws -> ControlEnd {
    guard let quarantine = memory.quarantine else { throw Self.noQuarantine }
    do {
      switch request {
      case .list(let limit, let skip):
        let store = quarantine.store
        let found = try store.kept(
          limit: min(max(limit, 0), Self.longestList), offset: max(skip, 0))
        for mail in found { try Self.tell(mail, quarantine, row) }
        let total = try store.keptTotal()
        try row(.counted(total.count, bytes: total.bytes))
      case .show(let text):
        let mail = try mail(text, quarantine)
        try Self.tell(mail, quarantine, row)
        for release in try quarantine.store.releases(of: mail.reference) {
          try row(.release(release))
        }
      case .history(let text):
        let reference = try Self.reference(text)
        if let mail = try quarantine.entry(reference) { try row(.mail(mail)) }
        for release in try quarantine.store.releases(of: reference) { try row(.release(release)) }
      case .content(let text, let part):
        try give(try mail(text, quarantine), part, quarantine, row)
      case .delete(let text):
        let mail = try mail(text, quarantine)
        let missing = quarantine.missing(of: mail)
        let deleted = try quarantine.delete(mail.reference, within: Self.patience)
        try row(Self.row(deleted ?? .init()))
        if let missing {
          return ControlEnd(0, ["its original was gone already: \(missing) is not there"])
        }
      case .purge(let age):
        let end = time.milliseconds &- max(age, 0)
        let deleted = try quarantine.purge(before: end, within: Self.patience) {
          try row(.progress($0))
        }
        try row(Self.row(deleted))
      case .release(let order):
        guard daemon != nil else { return Self.notRunning }
        return try Releasing(self, quarantine, caller).perform(
          order, try mail(order.reference, quarantine), row)
      }
      return .well
    } catch let trouble as QuarantineTrouble {
      throw Self.end(of: trouble)
    } catch let trouble as StoreTrouble {
      throw Self.end(of: .index(trouble))
    }
  }

  private static func tell(
    _ mail: KeptMail, _ quarantine: FileQuarantine, _ row: (QuarantineRow) throws -> Void
  ) throws {
    try row(.mail(mail))
    if let missing = quarantine.missing(of: mail) { try row(.missing(mail.reference, missing)) }
  }

  private static func row(_ deleted: FileQuarantine.Deleted) -> QuarantineRow {
    .deleted(deleted.count, bytes: deleted.bytes, missing: deleted.missing)
  }

  static func end(of trouble: QuarantineTrouble) -> ControlEnd {
    let status: Int32 =
      switch trouble {
      case .absent: EX_CONFIG
      case .gone: EX_NOINPUT
      case .damaged, .badReference: EX_DATAERR
      case .notWritable, .index(.readOnly): EX_NOPERM
      default: EX_UNAVAILABLE
      }
    return ControlEnd(status, [trouble.description])
  }

  private static func reference(_ text: String) throws(ControlEnd) -> String {
    guard let reference = Reference(text) else {
      throw ControlEnd(EX_USAGE, ["\(MailText(String(text.prefix(100)))) is no reference"])
    }
    return reference.description
  }

  private func mail(_ text: String, _ quarantine: FileQuarantine) throws -> KeptMail {
    let reference = try Self.reference(text)
    guard let mail = try quarantine.entry(reference) else {
      throw ControlEnd(1, ["\(reference) is not in the quarantine"])
    }
    return mail
  }

  private func give(
    _ mail: KeptMail, _ number: String?, _ quarantine: FileQuarantine,
    _ row: (QuarantineRow) throws -> Void
  ) throws {
    var content = try quarantine.content(of: mail)
    var name = "\(mail.reference).eml"
    if let number {
      let part = try part(number, of: content, mail)
      name = SafeName.file("\(mail.reference)-\(number)-", part.name)
      content = part.content
    }
    try row(.name(name))
    var rest = content[...]
    while !rest.isEmpty {
      try row(.piece(Data(rest.prefix(Self.pieceSize))))
      rest = rest.dropFirst(Self.pieceSize)
    }
  }

  /// A part of a kept message, where the index has one of that number the very one that was indexed.
  ///
  /// - Throws: an end that says that there is none of that number, or that it is not the one.
  func part(
    _ number: String, of content: [UInt8], _ mail: KeptMail
  ) throws(ControlEnd) -> DecodedPart {
    // Letters tell the readings of a part from each other.
    let isNumber =
      !number.isEmpty && number.utf8.count <= 1000
      && number.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2E
      }
    guard isNumber else {
      throw ControlEnd(EX_USAGE, ["a part has a number like 2 or 1.2"])
    }
    let indexed = mail.parts.first { $0.number == number }
    let found = parts.part(number, of: content, name: indexed?.name)
    if let indexed { return try part(indexed, found, of: content, mail) }
    guard let found else {
      throw ControlEnd(
        1, ["\(mail.reference) has no part \(number): bmsd quarantine show \(mail.reference)"])
    }
    return found
  }

  /// `found` if it is the part that was indexed, or else the one that is: with other limits, or by
  /// another version, parts may be numbered otherwise.
  private func part(
    _ indexed: KeptMail.Part, _ found: DecodedPart?, of content: [UInt8], _ mail: KeptMail
  ) throws(ControlEnd) -> DecodedPart {
    do throws(DigestTrouble) {
      if let found, try SHA256.digest(of: found.content).description == indexed.digest {
        return found
      }
      if let digest = SHA256Digest(hexadecimal: indexed.digest),
        let other = try parts.part(with: digest, of: content, name: indexed.name)
      {
        return other
      }
    } catch {
      throw Self.end(of: .digest(error.description))
    }
    throw ControlEnd(
      EX_DATAERR,
      [
        "no part of \(mail.reference) is the one that was noted as part \(indexed.number), with "
          + "the SHA-256 \(indexed.digest); the whole original is as it came"
      ])
  }
}
