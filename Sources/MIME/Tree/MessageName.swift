// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension PartName {
  /// Whether the name says that the content is a message, once programs and systems have left out
  /// what they leave out of names.
  package var saysMessage: Bool { FileName.saysMessage(text) }
}

extension FileName {
  /// Whether a name, in any of its forms, says that the file is a message.
  package static func saysMessage(_ name: String) -> Bool {
    guard mayEndAsMessage(name) else { return false }
    return forms(of: name).contains { form in messageExtensions.contains { form.hasSuffix($0) } }
  }

  /// False of names that are nothing but plain ASCII and have no such end anywhere: nearly all. Of
  /// plain ASCII nothing is left out but at the ends of names.
  private static func mayEndAsMessage(_ name: String) -> Bool {
    var last: UInt32 = 0
    for byte in name.utf8 {
      guard (0x20...0x7E).contains(byte) else { return true }
      last = last << 8 | UInt32(byte.lowercasedASCII)
      switch last {
      case 0x2E65_6D6C, 0x2E6D_6874, 0x2E6E_7773: return true  // .eml .mht .nws
      default: continue
      }
    }
    return false
  }

  private static let messageExtensions = [".eml", ".mht", ".mhtml", ".nws"]
}
