// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

/// Texts made from the option tables. The shipped copies are `etc/bms.conf`, `etc/bms.m4`,
/// `etc/attachment.txt` and `man/bms.conf.5`; `make regenerate` writes them and a test catches drift.
package enum Documentation {
  /// `etc/bms.conf`.
  package static var sampleFile: String { SampleFile.render(sections) }

  /// `man/bms.conf.5`, in mdoc.
  package static var manualPage: String {
    ManualPage.render(sections, chapters: senderPolicy + dangerousAttachments)
  }

  /// `etc/bms.m4`: Sendmail's line for a daemon that runs by the sample file, as `bmsd config mta`
  /// prints it.
  package static var sendmailMacros: String {
    let sample = Configuration.load(
      path: "/etc/mail/bms.conf", sections: sections, coming: comingSections,
      read: { _ in Array(sampleFile.utf8) })
    let lines =
      [
        "dnl bmsd behind Sendmail, as the shipped bms.conf has it. In /etc/mail/sendmail.mc, before",
        "dnl other filters: include(`/etc/mail/m4/bms.m4')dnl",
        "dnl For another file `bmsd config mta' prints the line.",
      ] + MTALines(sample, bites: true).sendmailLines
    return lines.joined(separator: "\n") + "\n"
  }

  /// Every option as `section.key`, in the order of the sample file.
  package static var optionNames: [String] {
    Configuration(text: "", sections: sections, coming: comingSections).entries.map(\.name)
  }

  /// One option, found by `section.key` or by a key that only one section has.
  package static func explain(
    _ key: String, in configuration: Configuration
  ) throws(ValueError) -> String {
    try OptionTable(sections, coming: comingSections).explain(key, in: configuration)
  }
}
