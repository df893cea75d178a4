// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A record to try where a domain has none.
package struct GuessedRecord: Sendable {
  let record: SPFRecord

  init(_ record: SPFRecord) { self.record = record }

  /// The record that `text` is.
  package init(_ text: String) throws(SPFSyntaxFault) {
    let bytes = Array(text.utf8)
    guard SPFRecord.isRecord(bytes) else { throw SPFSyntaxFault("not an SPF record", bytes) }
    record = try SPFRecord(bytes)
  }

  /// `v=spf1 a/24 mx/24 ptr`: for a sender.
  package static let sender = GuessedRecord(SPFRecord(nearby + [pointer]))
  /// `v=spf1 a/24 mx/24`: for a sender whose client has no name, or one that its provider gave it.
  package static let senderWithoutPointer = GuessedRecord(SPFRecord(nearby))
  /// `v=spf1 a mx`: for a HELO name, and for a forwarder. Nothing in it could let a client pass by
  /// the domain of its provider.
  package static let helo = GuessedRecord(
    SPFRecord([
      .init(result: .pass, mechanism: .a(nil, .init()), text: "a"),
      .init(result: .pass, mechanism: .mx(nil, .init()), text: "mx"),
    ]))

  private static let nearby: [SPFRecord.Directive] = [
    .init(result: .pass, mechanism: .a(nil, .init(ipv4: 24)), text: "a/24"),
    .init(result: .pass, mechanism: .mx(nil, .init(ipv4: 24)), text: "mx/24"),
  ]
  private static let pointer = SPFRecord.Directive(
    result: .pass, mechanism: .ptr(nil), text: "ptr")
}
