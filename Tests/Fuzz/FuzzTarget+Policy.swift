// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Access
internal import Environment
internal import Mail

// Text that decides: results of other hosts, and the administrator's exceptions.

extension FuzzTarget {
  /// What is read is written as a field that reads as the same, and a field of ours is seen to be.
  static func checkAuthenticationResults(_ bytes: [UInt8]) -> String? {
    let ours: Set<MailText> = ["mx.example.org"]
    let claims = AuthenticationResults.claims(ours, in: MailText(bytes))
    guard let read = AuthenticationResults(parsing: MailText(bytes)) else { return nil }
    if read.server.lowercased == "mx.example.org", !claims { return "a field of ours is not seen" }
    // Words that we write are our own.
    let words = read.entries.flatMap { [$0.method, $0.result] + $0.properties.map(\.type) }
    let names = read.entries.flatMap { $0.properties.map(\.name) }
    guard (words + names).allSatisfy(isWord) else { return nil }
    let value = read.value
    if let fault = fieldFault(value) { return fault }
    guard let again = AuthenticationResults(parsing: value) else {
      return "\(value) does not read back"
    }
    guard again.entries.map(\.method) == read.entries.map(\.method),
      again.entries.map(\.result) == read.entries.map(\.result),
      again.entries.map({ $0.properties.map(\.name) })
        == read.entries.map({ $0.properties.map(\.name) })
    else { return "\(read) reads back as \(again)" }
    // What could not stand in a field is replaced once and for all.
    guard let third = AuthenticationResults(parsing: again.value) else {
      return "\(again.value) does not read back"
    }
    return third == again ? nil : "\(again) reads back as \(third)"
  }

  /// What stands behind the name of a field.
  private static func fieldFault(_ value: MailText) -> String? {
    let lines = value.bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    let isFolded = lines.dropFirst().allSatisfy { $0.first == 0x09 && $0.count > 1 }
    let isText = value.bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x0A || $0 == 0x09 }
    return isFolded && isText ? nil : "no field: \(value)"
  }

  private static func isWord(_ word: String) -> Bool {
    !word.isEmpty
      && word.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
      }
  }

  // MARK: the access map

  private struct OneFile: FileSource {
    let bytes: [UInt8]

    func read(_ path: String) throws -> [UInt8] { bytes }
  }

  /// A file of any bytes is a map: its bad lines are faults for people, and each value that is
  /// found is one that the administrator could have written.
  static func checkAccessFile(_ bytes: [UInt8]) -> String? {
    let map: AccessMap
    do throws(AccessTrouble) {
      map = try AccessMap(AccessLocation("text:/access"), OneFile(bytes: bytes))
    } catch {
      return "\(error)"
    }
    let lines = bytes.split(separator: 0x0A)
    if map.count > lines.count { return "\(map.count) entries in \(lines.count) lines" }
    if map.faults.count > 11 { return "\(map.faults.count) faults" }
    if let fault = map.faults.first(where: { !isOneLine($0) }) { return "fault \(fault)" }
    for line in lines.prefix(50) {
      // The identity is what the line is about, or what stands in its place.
      let key = line.prefix { $0 != 0x20 && $0 != 0x09 }
      let identity = MailText(key.drop { $0 != 0x3A }.dropFirst())
      if let fault = lookupFault(map, identity) { return fault }
    }
    return lookupFault(map, "ann@mail.example.com")
  }

  private static func lookupFault(_ map: AccessMap, _ identity: MailText) -> String? {
    var looked: [MailText] = []
    let mailbox = Mailbox(envelope: identity)
    let hits = [
      map.policy("SPF-Fail", identity) { looked.append($0) },
      map.mailbox("From", mailbox) { looked.append($0) },
      map.client(address: "\(identity)", name: identity) { looked.append($0) },
    ]
    // For a name of 128 labels 131 by policy, and with and without the tag 257 as a sender's and 272
    // as a client's.
    if looked.count > 1200 { return "\(looked.count) lookups" }
    for hit in hits.compactMap({ $0 }) {
      if !looked.contains(hit.key) { return "\(hit.key) was not looked for" }
      let again = AccessValue(MailText(hit.value.word))
      if again != hit.value { return "\(hit.value) reads back as \(again)" }
    }
    return nil
  }
}
