// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Renders the commented sample file, `etc/bms.conf`, from the tables of the sections.
public enum SampleFile {
  private static let width = 78

  /// The sample file: active lines where an option or a mode is shipped, commented ones with the
  /// default elsewhere. It is itself a valid file.
  public static func render(_ sections: [any Section.Type]) -> String {
    let head = """
      # /etc/mail/bms.conf: the configuration of bmsd. See bms.conf(5).
      #
      # Lines are [section] or key = value. A line that starts with white space continues the
      # value above it. Comments begin with # or ; and stand on a line of their own.
      # 'bmsd check' proves this file; 'bmsd config explain KEY' explains an option.
      # A commented option shows its default.
      """
    let tables = sections.map { OptionTable.SectionTable($0) }
    return ([head] + tables.map { render($0) }).joined(separator: "\n\n\n") + "\n"
  }

  private static func render(_ section: OptionTable.SectionTable) -> String {
    // A header alone would switch a module from off to observe.
    let isPolicy = section.type is any PolicySection.Type
    let isActive = !isPolicy || section.options.contains { $0.shippedText != nil }
    var blocks = [
      (section.summary.wrapped(to: width, indent: "# ")
        + ["\(isActive ? "" : "#")[\(section.name)]"]).joined(separator: "\n")
    ]
    for option in section.options { blocks.append(render(option, isActive)) }
    return blocks.joined(separator: "\n\n")
  }

  private static func render(_ option: any AnyConfigOption, _ isActive: Bool) -> String {
    var facts = "(\(option.kind); default: \(option.shownDefault)"
    if let allowed = option.allowed { facts += "; \(allowed)" }
    if let unit = option.unit { facts += "; a bare number counts \(unit)" }
    if option.needsRestart { facts += "; needs a restart" }
    let lines =
      option.help.wrapped(to: width, indent: "# ")
      + (facts + ")").wrapped(to: width, indent: "# ")
    let shipped = isActive ? option.shippedText : nil
    let value = shipped ?? (option.isSecret ? "" : option.defaultText)
    let setting = "\(shipped == nil ? "#" : "")\(option.key) = \(value)".trimmed
    return (lines + [setting]).joined(separator: "\n")
  }
}
