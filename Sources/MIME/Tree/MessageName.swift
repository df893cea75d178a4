// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension PartName {
  /// Whether the name says that the content is a message, once programs and systems have left out
  /// what they leave out of names.
  var saysMessage: Bool {
    FileName.forms(of: text).contains { form in
      Self.messageExtensions.contains { form.hasSuffix($0) }
    }
  }

  private static let messageExtensions = [".eml", ".mht", ".mhtml", ".nws"]
}
