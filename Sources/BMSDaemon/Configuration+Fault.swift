// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

extension Configuration {
  /// The first option that the file sets in a section, to point a fault of the section to.
  func firstOption(of section: String) -> String? {
    entries.first { $0.section == section && $0.origin != .default }?.name
  }

  /// A fault found outside the parser, at the place where `option` is set.
  package func fault(
    _ message: String, option: String?, severity: ConfigurationFault.Severity = .error
  ) -> ConfigurationFault {
    var line: Int?
    if let option, case .file(_, let number)? = location(of: option) { line = number }
    let text = option.map { "\($0): \(message)" } ?? message
    return ConfigurationFault(severity, file: name, line: line, message: text)
  }
}
