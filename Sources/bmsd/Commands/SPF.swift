// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import ArgumentParser
internal import DNS
internal import Environment
internal import Glibc
internal import Mail
internal import SPF

struct SPFCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "spf", abstract: "Evaluate SPF by hand.", subcommands: [Check.self])

  /// Which evaluator answers.
  enum Engine: String, CaseIterable, ExpressibleByArgument {
    case native, libspf2
  }

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what SPF says of a client and its sender.",
      discussion: """
        Prints the official result of RFC 7208, the mechanism that matched, and each lookup with \
        the number of the term that asked (10 may ask). Exit status 0 for every result but \
        temperror, which is 75: the result stands in the first line.
        """)

    @OptionGroup var config: ConfigFile
    @OptionGroup var choice: ResolverChoice
    @Option(help: ArgumentHelp("The client's address.", valueName: "IP")) var ip: String
    @Option(help: ArgumentHelp("The HELO name.", valueName: "NAME")) var helo = ""
    @Option(
      help: ArgumentHelp(
        "The reverse-path; without it, or for <>, the HELO name is checked.", valueName: "ADDRESS"))
    var from = ""
    @Option(help: "Which evaluator answers.") var engine = Engine.native
    @Flag(help: "Print every step of the evaluation.") var explain = false
    @Flag(help: "One JSON object.") var json = false

    func validate() throws {
      guard IPAddress(ip) != nil else {
        throw ValidationError("--ip \(ip) is no IP address; write it as 192.0.2.1")
      }
      guard !helo.isEmpty || !from.isEmpty else { throw ValidationError("give --from or --helo") }
      guard engine == .native || !explain else {
        throw ValidationError("libspf2 does not tell its steps: --explain needs --engine native")
      }
    }

    func run() throws {
      guard let client = IPAddress(ip) else { throw ExitCode(EX_USAGE) }
      let query = SPFQuery(
        client: client, mailFrom: Mailbox(envelope: MailText(from)), helo: MailText(helo),
        receiver: MailText(Try.hostName))
      let time = SystemTime()
      let chosen = try choice.resolver(or: config)
      let native = SPFEvaluator(resolver: chosen.resolver, time: time)
      let engine: any SPFEngine = engine == .native ? native : LibSPF2(native: native)
      let evaluation = engine.evaluate(
        query, by: Deadline(chosen.limit, time), isExplained: explain)
      if json {
        print(Terminal.json(fields(evaluation)))
      } else {
        for line in lines(evaluation) { print(line) }
      }
      if evaluation.result == .temperror { throw ExitCode(EX_TEMPFAIL) }
    }

    // MARK: - For people

    private func lines(_ evaluation: SPFEvaluation) -> [String] {
      var rows = [["result", evaluation.result.rawValue]]
      if let mechanism = evaluation.mechanism { rows.append(["mechanism", mechanism]) }
      if let problem = evaluation.problem { rows.append(["problem", problem]) }
      if let text = evaluation.explanation { rows.append(["explanation", text]) }
      rows.append(["lookups", "\(evaluation.lookupCount) of 10"])
      rows.append(["void lookups", "\(evaluation.voidLookupCount) of 2"])
      var lines = Terminal.table(rows)
      if !evaluation.lookups.isEmpty {
        let header = [["TERM", "LOOKUP", "RESULT", "RECORDS", "TIME"]]
        lines += [""] + Terminal.table(header + evaluation.lookups.map(row))
      }
      if explain { lines += [""] + evaluation.steps.map(line) }
      return lines
    }

    private func row(_ lookup: SPFLookup) -> [String] {
      [
        lookup.term == 0 ? "-" : "\(lookup.term)", "\(lookup.question)", lookup.outcome,
        "\(lookup.recordCount)", lookup.elapsed.milliseconds,
      ]
    }

    private func line(_ step: SPFStep) -> String {
      let indent = String(repeating: "  ", count: min(step.depth, 40))
      switch step.kind {
      case .record(let domain): return "\(indent)\(domain) = \(step.outcome)"
      case .term: return "\(indent)\(step.text): \(step.outcome)"
      }
    }

    // MARK: - For programs

    private func fields(_ evaluation: SPFEvaluation) -> [(String, JSONValue)] {
      var fields: [(String, JSONValue)] = [
        ("result", .string(evaluation.result.rawValue)),
        ("explanation", JSONValue(evaluation.explanation)),
        ("mechanism", JSONValue(evaluation.mechanism)),
        ("lookups", .number(evaluation.lookupCount)),
        ("void_lookups", .number(evaluation.voidLookupCount)),
        ("problem", JSONValue(evaluation.problem)),
        ("questions", .array(evaluation.lookups.map(object))),
      ]
      if explain { fields.append(("steps", .array(evaluation.steps.map { .string(line($0)) }))) }
      return fields
    }

    private func object(_ lookup: SPFLookup) -> JSONValue {
      .object([
        ("term", .number(lookup.term)), ("name", .string("\(lookup.question.name)")),
        ("type", .string(lookup.question.type.name)), ("result", .string(lookup.outcome)),
        ("records", .number(lookup.recordCount)), ("time", .string(lookup.elapsed.milliseconds)),
      ])
    }
  }
}
