// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail
package import Milter

/// The macros that policy needs, by stage: what is wished for at negotiation and read in callbacks.
///
/// Every one is optional; what Postfix does not send by default ({daemon_port}, {client_ptr}) comes
/// because it is asked for, without a line in main.cf.
package enum MacroWishes {
  package static let byStage: [MacroStage: [String]] = [
    .connect: [
      "j", "{daemon_name}", "{daemon_port}", "{daemon_addr}", "{if_addr}", "{client_ptr}",
    ],
    .sender: ["i", "{auth_type}", "{auth_authen}"],
    .recipient: ["i", "{rcpt_mailer}"],
    .data: ["i"],
    .endOfHeaders: ["i"],
    .endOfMessage: ["i"],
  ]
}

/// The macros that came with one step.
package struct Macros: Sendable {
  /// So few that looking through them is faster than hashing.
  private var values: [(name: String, value: MailText)] = []

  package init(_ values: [String: MailText] = [:]) {
    self.values = values.map { (name: $0.key, value: $0.value) }
  }

  /// Reads those wished for at `stage`.
  package init(_ stage: MacroStage, from mta: borrowing MTA) {
    for name in MacroWishes.byStage[stage] ?? [] {
      if let value = mta.macro(name) { values.append((name, value)) }
    }
  }

  /// The value with surrounding blanks cut off (the ancestor found some in `j`), nil when absent or
  /// empty.
  subscript(_ name: String) -> MailText? {
    guard let value = values.first(where: { $0.name == name })?.value else { return nil }
    guard value.bytes.first == 0x20 || value.bytes.last == 0x20 else {
      return value.isEmpty ? nil : value
    }
    let trimmed = value.bytes.drop { $0 == 0x20 }.reversed().drop { $0 == 0x20 }.reversed()
    return trimmed.isEmpty ? nil : MailText(trimmed)
  }
}
