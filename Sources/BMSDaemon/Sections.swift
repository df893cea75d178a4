// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Policy

/// Every section of `bms.conf`, in the order of the sample file: the daemon's own, then those of
/// the pipeline's modules.
package let sections: [any Section.Type] = {
  var sections: [any Section.Type] = [
    MilterOptions.self, NetworkOptions.self, LogOptions.self, StoreOptions.self,
    TrailOptions.self, ControlOptions.self, DNSOptions.self,
  ]
  for module in pipeline where !sections.contains(where: { $0.name == sectionName(module) }) {
    sections.append(section(module))
  }
  return sections
}()

private func section<M: PolicyModule>(_ module: M.Type) -> any Section.Type { M.Options.self }
func sectionName<M: PolicyModule>(_ module: M.Type) -> String { M.Options.name }

/// Sections and keys that are known but not served yet: of the ancestor's files and of this
/// product's later modules. They are a warning, not an error, so that an administrator can bring
/// the old file along.
package let comingSections: [ComingSection] = [
  ComingSection("submit", note: "sending mail comes with the quarantine"),
  ComingSection(
    "greylist", keys: ["dbfile"],
    note: "the greylist is in [store] path; `bmsd greylist import` brings the old one along"),
  ComingSection("spf", keys: ["supply_sender"], note: "a Sender field comes with header rules"),
  ComingSection("dkim", note: "DKIM verification and signing come after SPF"),
  ComingSection("dmarc", note: "DMARC comes after DKIM"),
  ComingSection(
    "defang", keys: ["scan_html", "macros"], note: "scripts and macros are looked into later"),
  ComingSection(
    "defang", keys: ["block_chinese", "spam_words", "porn_words"],
    note: "words in the Subject come with header rules"),
  ComingSection("quarantine", note: "the quarantine comes with defanging"),
  ComingSection("scrub", keys: ["hide_path"], note: "hide_path comes with header rules"),
  ComingSection("wiretap", note: "copies and archives come after defanging"),
  ComingSection("smart_alias", note: "re-routing comes with copies and archives"),
  ComingSection("srs", note: "SRS comes with sender verification"),
  ComingSection("dspam", note: "the content filter comes last"),
  ComingSection("gossip", note: "reputation comes after the content filter"),
  ComingSection(
    "milter",
    keys: [
      "datadir", "logdir", "tempdir", "private_relay", "check_user", "case_sensitive_localpart",
      "errors_url",
    ],
    note: "an option of the ancestor that bmsd does not serve yet"),
]
