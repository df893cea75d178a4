// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Renders the commented sample file, `etc/bms.conf`, from the tables of the sections.
public enum SampleFile {
  private static let width = 78

  /// The sample file: active lines where an option or a mode is shipped, commented ones with the
  /// default elsewhere. It is itself a valid file.
  public static func render(_ sections: [any Section.Type]) -> String {
    let tables = sections.map { OptionTable.SectionTable($0) }
    var blocks = [head]
    if let policy = tables.first(where: \.isPolicy) { blocks[0] += "\n#\n" + commonHelp(policy) }
    blocks += tables.map { render($0) }
    return blocks.joined(separator: "\n\n\n") + "\n"
  }

  private static let head = """
    # /etc/mail/bms.conf: the configuration of bmsd. See bms.conf(5).
    #
    # Lines are [section] or key = value. A line that starts with white space
    # continues the value above it. Comments begin with # or ; and stand on lines
    # of their own. 'bmsd check' proves this file, 'bmsd config explain KEY' explains
    # an option. A commented option shows its default.
    """

  /// What the options of every policy section mean, so that not each section says it again.
  private static func commonHelp(_ policy: OptionTable.SectionTable) -> String {
    let lines = "Sections of policy modules have these options besides their own:"
      .wrapped(to: width, indent: "# ")
    let options = OptionTable.commonKeys.compactMap { policy.option($0) }
    return
      (lines
      + options.flatMap { option in
        ["#   \(option.key)"] + option.help.wrapped(to: width, indent: "#     ")
      }).joined(separator: "\n")
  }

  private static func render(_ section: OptionTable.SectionTable) -> String {
    // A header alone would switch a module from off to observe.
    let isActive = !section.isPolicy || section.options.contains { $0.shippedText != nil }
    var header = section.summary.wrapped(to: width, indent: "# ")
    header.append("\(isActive ? "" : "#")[\(section.name)]")
    if section.isPolicy {
      let common = OptionTable.commonKeys.compactMap { section.option($0) }
      header += common.map { setting(of: $0, isActive) }
    }
    let blocks = section.ownOptions.map { render($0, isActive) }
    return ([header.joined(separator: "\n")] + blocks).joined(separator: "\n\n")
  }

  private static func render(_ option: any AnyConfigOption, _ isActive: Bool) -> String {
    var facts = [option.kind]
    facts.append(
      option.defaultText.isEmpty ? "blank by default" : "default: \(option.shownDefault)")
    if let allowed = option.allowed { facts.append(allowed) }
    if let unit = option.unit { facts.append("a bare number counts \(unit)") }
    if option.needsRestart { facts.append("needs a restart") }
    let lines =
      option.help.wrapped(to: width, indent: "# ")
      + "(\(facts.joined(separator: "; ")))".wrapped(to: width, indent: "# ")
    return (lines + [setting(of: option, isActive)]).joined(separator: "\n")
  }

  /// The line that sets the option: active where a value is shipped.
  private static func setting(of option: any AnyConfigOption, _ isActive: Bool) -> String {
    let shipped = isActive ? option.shippedText : nil
    let value = shipped ?? (option.isSecret ? "" : option.defaultText)
    return "\(shipped == nil ? "#" : "")\(option.key) = \(value)".trimmed
  }
}
