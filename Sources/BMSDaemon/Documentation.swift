// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration

/// Texts made from the option tables. The shipped copies are `etc/bms.conf` and `man/bms.conf.5`;
/// `make regenerate` writes them and a test catches drift.
package enum Documentation {
  /// `etc/bms.conf`.
  package static var sampleFile: String { SampleFile.render(sections) }

  /// `man/bms.conf.5`, in mdoc.
  package static var manualPage: String { ManualPage.render(sections) }

  /// One option, found by `section.key` or by a key that only one section has.
  package static func explain(
    _ key: String, in configuration: Configuration
  ) throws(ValueError) -> String {
    try OptionTable(sections, coming: comingSections).explain(key, in: configuration)
  }
}
