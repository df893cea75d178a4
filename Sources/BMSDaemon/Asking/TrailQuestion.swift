// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Policy
package import Store

/// Whom `bmsd explain` is asked about: a reference, a queue id or a Message-ID.
package struct TrailQuestion: Sendable {
  package let typed: String
  package let reference: Reference?

  /// What a person typed; anything is a question.
  package init(_ typed: String) {
    self.typed = typed
    reference = Reference(typed)
  }

  /// The entries it leads to, oldest first; none when nothing is known.
  package func entries(in reader: TrailReader) throws(StoreTrouble) -> [TrailEntry] {
    if let reference {
      let found = try reader.entries(reference: reference.description)
      if !found.isEmpty { return found }
    }
    if typed.contains("@") {
      let found = try reader.entries(messageID: typed)
      if !found.isEmpty { return found }
    }
    let found = try reader.entries(queueID: typed)
    return found.isEmpty ? try reader.entries(messageID: typed) : found
  }

  /// Why nothing was found, as far as can be told: `now` in milliseconds since 1970.
  package func reasonsForNothing(
    in reader: TrailReader, _ options: Settings<TrailOptions>, now: Int64, _ time: TimeText = .local
  ) throws(StoreTrouble) -> [String] {
    let asides = TrailAside.all(of: reader.path).map {
      "An earlier trail was set aside as \($0.path) on \(time.text($0.moved * 1000)), damaged or of a "
        + "later version: what it holds is not asked."
    }
    var lines = ["Nothing is known of \(typed)."] + asides
    let extent = try reader.extent()
    let losses = try reader.losses()
    guard let oldest = extent.oldest else {
      return lines + ["The trail is empty: it was begun anew, or no mail has come yet."]
    }
    let reach = "The trail reaches back to \(time.text(oldest))."
    guard let reference else {
      lines.append(reach)
      lines += told(losses, time)
      return lines + [
        "A queue id is known from DATA on, a Message-ID from the header fields on: a refusal before "
          + "has only its reference."
      ]
    }
    let code = ReferenceCode(node: options.node)
    guard let made = code.time(of: reference) else {
      let node = reference.description.prefix(1)
      return lines + [
        "References of this host begin with \(options.node.uppercased()) ([trail] node): ask the "
          + "host whose references begin with \(node)."
      ]
    }
    guard made <= now + 5000 else {
      return lines + [
        "No reference of this host looks like that: it is misspelt, or another host's."
      ]
    }
    lines.append("By its digits it was given out at \(time.text(made)), if this host did it.")
    let age = now - made
    if age > Int64(max(options.keep.milliseconds, options.keepRefused.milliseconds)) {
      lines.append(
        "That is \(TimeText.span(age)) ago; accepted mail is kept for \(options.keep.text), refused "
          + "mail for \(options.keepRefused.text): it was purged.")
    } else if age > Int64(options.keep.milliseconds) {
      lines.append(
        "That is \(TimeText.span(age)) ago: if it was accepted, it was purged ([trail] keep = "
          + "\(options.keep.text)).")
    }
    if made < oldest {
      lines.append(
        "\(reach) What is older was purged by age or [trail] max_size, or the file was "
          + "deleted.")
    }
    lines += told(losses.filter { $0.from - 60_000 <= made && made <= $0.until }, time)
    if now - made < 2000 {
      lines.append("It is very young: the trail is written a moment after the answer.")
    }
    return lines
  }

  private func told(_ losses: [TrailLoss], _ time: TimeText) -> [String] {
    losses.suffix(5).map {
      "\($0.count) records were lost between \(time.text($0.from)) and \(time.text($0.until)): "
        + "\($0.why)."
    }
  }
}
