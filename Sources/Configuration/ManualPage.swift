// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Renders the manual page bms.conf(5) in mdoc(7) from the tables of the sections.
public enum ManualPage {
  /// The page, dated `date` (such as "January 1, 2026"): the date is given, not taken from the
  /// clock, so that the same tables make the same page. `chapters` are lines of mdoc that stand
  /// behind the options.
  public static func render(
    _ sections: [any Section.Type], coming: [ComingSection] = [], chapters: [String] = [],
    date: String = "January 1, 2026"
  ) -> String {
    let tables = sections.map { OptionTable.SectionTable($0) }
    var lines = [
      ".\\\" Made from the tables of options by 'make regenerate'; changes here are lost.",
      ".Dd \(date)", ".Dt BMS.CONF 5", ".Os", ".Sh NAME", ".Nm bms.conf",
      ".Nd configuration of the mail filter daemon bmsd",
    ]
    lines += description
    lines += kinds(tables)
    lines += [".Sh OPTIONS"]
    if let policy = tables.first(where: \.isPolicy) { lines += common(policy) }
    for table in tables { lines += render(table) }
    if !coming.isEmpty { lines += render(coming) }
    lines += chapters.flatMap { $0.hasPrefix(".") ? [$0] : $0.mdocSentences }
    lines += [
      ".Sh FILES", ".Bl -tag -width Ds", ".It Pa /etc/mail/bms.conf", "The configuration.",
      ".El",
    ]
    lines += examples(tables)
    lines += [".Sh SEE ALSO", ".Xr bmsd 8"]
    return lines.joined(separator: "\n") + "\n"
  }

  private static let description = [
    ".Sh DESCRIPTION",
    "The file is UTF-8 text. Each line is one of these:",
    ".Bl -tag -width Ds",
    ".It Bq Ar section",
    "begins a section. Names of sections are case-sensitive, and each section stands once.",
    ".It Ar key No = Ar value",
    "sets an option of the section. Case does not matter in keys, and each key stands once in its",
    "section. The value is all that follows the equals sign, without white space around it,",
    "and may be blank.",
    ".It white space and text",
    "continues the value above.",
    ".It # or \\&; and text",
    "begins a comment. Comments stand on lines of their own: within a value these characters are",
    "part of it.",
    ".El",
    ".Pp",
    "There is one file: others cannot be included. The percent sign has no special meaning.",
    ".Ql bmsd check",
    "proves the file. An unknown section or key is an error. An old name of an option is accepted",
    "with a warning that names the new one.",
  ].flatMap { $0.hasPrefix(".") ? [$0] : $0.mdocSentences }

  private static func kinds(_ tables: [OptionTable.SectionTable]) -> [String] {
    var seen: Set<String> = []
    let options = tables.flatMap(\.options).filter {
      !$0.syntax.isEmpty && seen.insert($0.kind).inserted
    }
    guard !options.isEmpty else { return [] }
    let items = options.sorted { $0.kind < $1.kind }.flatMap {
      [".It \($0.kind.mdocArgument)"] + $0.syntax.mdocSentences
    }
    return [".Ss Kinds of values", ".Bl -tag -width Ds"] + items + [".El"]
  }

  /// The options of every policy section, described once.
  private static func common(_ policy: OptionTable.SectionTable) -> [String] {
    var lines = [".Ss Every policy section"]
    lines += "The sections of policy modules have these options besides their own.".mdocSentences
    lines.append(".Bl -tag -width Ds")
    for option in OptionTable.commonKeys.compactMap({ policy.option($0) }) {
      lines += [".It Ic \(option.key.mdocArgument)", "(\(option.kind))".mdocText]
      lines += option.help.mdocSentences
    }
    return lines + [".El"]
  }

  private static func render(_ table: OptionTable.SectionTable) -> [String] {
    var lines = [".Ss [\(table.name)]".mdocDashes + "\\&"] + table.summary.mdocSentences
    if table.isPolicy {
      lines += [".Pp", "The defaults of the common options are"]
      let settings = OptionTable.commonKeys.compactMap { table.option($0) }
        .filter { !$0.defaultText.isEmpty }.map { "\($0.key) = \($0.defaultText)".mdocArgument }
      lines += [".Ql \(settings.joined(separator: " ,\n.Ql ")) ."]
    }
    guard !table.ownOptions.isEmpty else { return lines }
    lines.append(".Bl -tag -width Ds")
    for option in table.ownOptions { lines += render(option) }
    return lines + [".El"]
  }

  private static func render(_ option: any AnyConfigOption) -> [String] {
    var lines = [".It Ic \(option.key.mdocArgument)", "(\(option.kind))".mdocText]
    lines += option.help.mdocSentences
    lines +=
      option.defaultText.isEmpty
      ? ["The default is blank."] : ["The default is", ".Ql \(option.shownDefault.mdocArgument) ."]
    if let allowed = option.allowed { lines += "Allowed is \(allowed).".mdocSentences }
    if let unit = option.unit { lines += "A bare number counts \(unit).".mdocSentences }
    if option.needsRestart { lines.append("A change takes effect when the daemon is restarted.") }
    if !option.formerly.isEmpty {
      lines += "Formerly \(option.formerly.joinedByOr).".mdocSentences
    }
    return lines
  }

  private static func render(_ coming: [ComingSection]) -> [String] {
    var lines = [
      ".Ss Not served yet", "These are known and do nothing yet; the file gives a warning:",
      ".Bl -tag -width Ds",
    ]
    for section in coming {
      let keys = section.keys.isEmpty ? "" : " " + section.keys.joined(separator: ", ")
      lines += [".It \("[\(section.name)]\(keys)".mdocArgument)"] + section.note.mdocSentences
    }
    return lines + [".El"]
  }

  private static func examples(_ tables: [OptionTable.SectionTable]) -> [String] {
    var lines: [String] = []
    for table in tables {
      let shipped = table.options.filter { $0.shippedText != nil }
      guard !shipped.isEmpty else { continue }
      lines.append("[\(table.name)]")
      lines += shipped.map { "\($0.key) = \($0.shippedText ?? "")".trimmed }
    }
    guard !lines.isEmpty else { return [] }
    return [".Sh EXAMPLES", "The file as it is shipped, without its comments:", ".Bd -literal"]
      + lines.map(\.mdocText) + [".Ed"]
  }
}
