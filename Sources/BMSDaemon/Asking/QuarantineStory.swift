// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail
package import Store

/// What `bmsd explain` says of a message that is, or was, in the quarantine.
package struct QuarantineStory {
  private let reference: String
  private let mail: KeptMail?
  private let releases: [Release]

  /// The story of the message `reference`: what is kept under that name, and releases of it or that
  /// arrived under it.
  package init(_ reference: String, _ mail: KeptMail?, _ releases: [Release]) {
    self.reference = reference
    self.mail = mail
    self.releases = releases
  }

  /// One sentence a line; none for a message that never was there.
  package var lines: [String] {
    var lines: [String] = []
    if let mail {
      lines.append(
        "The original is kept in the quarantine: bmsd quarantine show \(mail.reference)")
    }
    for release in releases {
      if release.usedBy == reference {
        lines.append("This is a release of \(release.reference), \(Self.sentence(release)).")
      } else {
        lines.append("It was released \(Self.sentence(release)).")
      }
    }
    return lines
  }

  /// `at ... by root (uid 0) as original to <b@example.org> (asked for); passed as K7Q2M9XA4T`.
  package static func sentence(_ release: Release, _ time: TimeText = .local) -> String {
    let shown = release.recipients.prefix(5).map(\.description).joined(separator: ", ")
    let more = release.recipients.count > 5 ? " and \(release.recipients.count - 5) more" : ""
    let reason = release.reason.isEmpty ? "" : " (\(MailText(release.reason)))"
    let end = release.usedBy.map { "; passed as \($0)" } ?? "; did not pass yet"
    return "\(time.text(release.made)) by \(release.caller) as \(release.form) to \(shown)\(more)"
      + "\(reason)\(end)"
  }
}
