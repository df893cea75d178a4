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
    forms(of: name).contains { form in messageExtensions.contains { form.hasSuffix($0) } }
  }

  private static let messageExtensions = [".eml", ".mht", ".mhtml", ".nws"]
}
