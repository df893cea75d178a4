// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Mail
internal import Policy

/// Domains as an administrator lists them: `example.org`, and `*.example.org` for all below it.
struct DomainPatterns: Sendable {
  private var names: Set<MailText> = []
  private var parents: Set<MailText> = []

  /// More labels than a name can have (RFC 1035 §2.3.4).
  private static let maximumLabels = 127

  var isEmpty: Bool { names.isEmpty && parents.isEmpty }

  init(_ list: TextList, option: String) throws(SetupError) {
    for item in list.items {
      let name = MailText(item.hasPrefix("*.") ? String(item.dropFirst(2)) : item).domainKey
      guard !name.isEmpty, !name.bytes.contains(UInt8(ascii: "*")),
        !name.bytes.contains(UInt8(ascii: "@"))
      else {
        throw SetupError(
          option: option, "\"\(item)\" is no domain: write example.org, or *.example.org")
      }
      if item.hasPrefix("*.") { parents.insert(name) } else { names.insert(name) }
    }
  }

  func contains(_ domain: MailText) -> Bool {
    guard !isEmpty else { return false }
    let domain = domain.domainKey
    if names.contains(domain) { return true }
    guard !parents.isEmpty else { return false }
    var rest = domain.bytes[...]
    for _ in 0..<Self.maximumLabels {
      guard let dot = rest.firstIndex(of: UInt8(ascii: ".")) else { return false }
      rest = rest[(dot + 1)...]
      if parents.contains(MailText(rest)) { return true }
    }
    return false
  }
}
