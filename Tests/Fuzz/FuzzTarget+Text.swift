// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import BMSDaemon
internal import Configuration
internal import Greylisting
internal import Mail
internal import Milter

// Text of people and of peers: files, addresses, names, replies.

extension FuzzTarget {
  /// The file is read, all faults are lines for people, and what was read reads back as the same.
  static func checkConfiguration(_ bytes: [UInt8]) -> String? {
    let file = configuration(bytes)
    if file.faults.count > 202 { return "\(file.faults.count) faults" }
    if let fault = file.faults.first(where: { !isOneLine("\($0)") }) { return "fault \(fault)" }
    guard !file.hasErrors else { return nil }
    let entries = file.entries.filter { $0.origin != .default && $0.text != Secret.mask }
    var text = ""
    var section = ""
    for entry in entries {
      if entry.section != section { text += "[\(entry.section)]\n" }
      section = entry.section
      text += "\(entry.key) = \(entry.text)\n"
    }
    let again = configuration(Array(text.utf8))
    if let error = again.faults.first(where: { $0.severity == .error }) {
      return "what was read does not read back: \(error)"
    }
    for (one, two) in zip(entries, again.entries.filter { $0.origin != .default })
    where one.text != two.text {
      return "\(one.name) = \(one.text) reads back as \(two.name) = \(two.text)"
    }
    return nil
  }

  private static func configuration(_ bytes: [UInt8]) -> Configuration {
    Configuration(
      bytes: bytes, sections: BMSDaemon.sections, coming: BMSDaemon.comingSections,
      read: { _ in Array("a@example.com 192.0.2.1\n".utf8) })
  }

  /// At most 32 lines of 980 bytes of printing ASCII, `%` only in pairs, the note still there.
  static func checkReply(_ bytes: [UInt8]) -> String? {
    let parts = bytes.split(separator: 0x1E, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    let numbers = bytes.prefix(3).map(Int.init)
    let reply = SMTPReply(
      numbers.first.map { $0.isMultiple(of: 2) } == true ? .transient : .permanent,
      (numbers.dropFirst().first ?? 0) - 9, numbers.last ?? 0, 1, parts)
    for reply in [reply, reply.appending("(ref K7Q2M9XA4T)")] {
      if reply.code.first != reply.enhancedCode.first { return "codes of two classes" }
      let lines = reply.wireLines
      if lines.isEmpty || lines.count > SMTPReply.maximumLines { return "\(lines.count) lines" }
      for line in lines {
        if line.count > SMTPReply.maximumLineLength { return "a line of \(line.count) bytes" }
        if !line.allSatisfy({ (0x20...0x7E).contains($0) }) { return "a byte that does not print" }
        let runs = line.split { $0 != 0x25 }
        if runs.contains(where: { !$0.count.isMultiple(of: 2) }) { return "a single %" }
      }
    }
    let last = reply.appending("(ref K7Q2M9XA4T)").wireLines.last ?? []
    return String(decoding: last, as: UTF8.self).hasSuffix("(ref K7Q2M9XA4T)")
      ? nil : "the reference is lost"
  }

  /// The answer does not depend on the case of letters.
  static func checkDynamicName(_ bytes: [UInt8]) -> String? {
    let octets = Array(bytes.prefix(bytes.first.map { $0.isMultiple(of: 2) } == true ? 4 : 16))
    let address = IPAddress(octets: octets)
    let name = String(decoding: bytes.dropFirst(octets.count), as: UTF8.self)
    let lower = String(decoding: MailText(name).lowercased.bytes, as: UTF8.self)
    let answer = DynamicName.looksDynamic(name, address: address)
    guard answer == DynamicName.looksDynamic(lower, address: address) else {
      return "\(name) and \(lower) are not judged alike"
    }
    if let address, !DynamicName.looksDynamic("\(address)", address: address) {
      return "a name that is its address does not look dynamic"
    }
    return nil
  }

  /// What is written is read as the same mailbox, and shows as one line.
  static func checkMailbox(_ bytes: [UInt8]) -> String? {
    let mailbox = Mailbox(envelope: MailText(bytes))
    let again = Mailbox(envelope: mailbox.address)
    if again != mailbox { return "\(mailbox) reads back as \(again)" }
    if Mailbox(envelope: MailText([0x3C] + mailbox.address.bytes + [0x3E])) != mailbox {
      return "\(mailbox) reads back otherwise in angle brackets"
    }
    if !isOneLine(mailbox.description) { return "it shows as more than one line" }
    let shown = MailText(shown: MailText(bytes).description)
    return shown == MailText(bytes) ? nil : "its bytes cannot be told from what is shown"
  }

  /// Every record that is read is written as a line that reads as the same record.
  static func checkTripletCSV(_ bytes: [UInt8]) -> String? {
    for header in [[], [Array(TripletCSV.header.utf8)]] {
      var reader = TripletCSV(keys: TripletKeys())
      for line in header + bytes.split(separator: 0x0A).map(Array.init) {
        guard let record = try? reader.record(line) else { continue }
        var writer = TripletCSV(keys: TripletKeys())
        _ = try? writer.record(Array(TripletCSV.header.utf8))
        let text = TripletCSV.line(record)
        guard isOneLine(text) else { return "a record of more than one line" }
        guard let again = try? writer.record(Array(text.utf8)), again == record else {
          return "\(record) does not read back from \(text)"
        }
      }
    }
    return nil
  }

  /// Whether a terminal shows it as one line; a tab may stand in a file, and so in its faults.
  static func isOneLine(_ text: String) -> Bool {
    text.utf8.allSatisfy { ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }
  }
}
