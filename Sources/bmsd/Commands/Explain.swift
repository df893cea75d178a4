// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Environment
internal import Glibc
internal import Policies
internal import Policy
internal import Store

struct Explain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what happened to one message or refusal, and why.",
    discussion: """
      Module by module in plain words, with the option that decided, and at the end the command \
      that would let the mail through. In a reference, case and look-alike letters do not matter. \
      Exit status 1 when nothing is known of it.
      """)

  @OptionGroup var config: ConfigFile
  @Argument(
    help: ArgumentHelp(
      "A reference, a queue id or a Message-ID.", valueName: "REF|QUEUE-ID|MESSAGE-ID"))
  var name: String
  @Flag(help: "One JSON object an entry.") var json = false

  /// What the quarantine knows of a message; nothing where it cannot be asked.
  private func story(of reference: String, _ configuration: Configuration) -> [String] {
    guard configuration.settings(QuarantineOptions.self).isPresent,
      let access = try? DaemonAccess(config)
    else { return [] }
    let (mail, releases) = access.quarantined(reference)
    let lines = QuarantineStory(reference, mail, releases).lines
    return lines.isEmpty ? [] : [""] + lines
  }

  func run() throws {
    let question = TrailQuestion(name)
    // Asked first: who opens the trail may no longer be allowed to, and what is not over yet may be
    // written meanwhile.
    let unwritten = try? DaemonAccess(config).unwritten(name)
    let (reader, configuration) = try config.openTrail()
    try Trail.reading {
      var entries = try question.entries(in: reader)
      if entries.isEmpty, let unwritten { entries = [unwritten] }
      guard !entries.isEmpty else {
        let options = configuration.settings(TrailOptions.self)
        let lines = try question.reasonsForNothing(
          in: reader, options, now: SystemTime().milliseconds)
        for line in lines { Terminal.error(line) }
        throw ExitCode(1)
      }
      let book = ReasonBook(BMSDaemon.pipeline)
      guard !json else {
        for entry in entries { print(entry.json) }
        return
      }
      Terminal.page(
        entries.enumerated().flatMap { number, entry in
          (number > 0 ? ["", "---", ""] : []) + Explanation(entry, book).lines
            + story(of: entry.reference, configuration)
        })
    }
  }
}
