// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import ArgumentParser
internal import DNS
internal import Environment
internal import Glibc

struct DNSCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dns", abstract: "Look names up as bmsd does.", subcommands: [Lookup.self])

  struct Lookup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the records of one type of a name, who answered, and how fast.",
      discussion: """
        Exit status 0 for an answer, 1 when there is none (no such name, or no such type), 75 when \
        it cannot be had now.
        """)

    @OptionGroup var config: ConfigFile
    @OptionGroup var choice: ResolverChoice
    @Argument(help: ArgumentHelp("A, AAAA, MX, TXT, PTR, NS, CNAME or SOA.", valueName: "TYPE"))
    var type: String
    @Argument(help: ArgumentHelp("A name; for PTR also an address.", valueName: "NAME"))
    var name: String
    @Flag(help: "One JSON object.") var json = false

    func validate() throws { _ = try question() }

    private func question() throws -> Question {
      guard let type = RecordType(name: type) else {
        let known = RecordType.allCases.map(\.name).joined(separator: ", ")
        throw ValidationError("\(type) is not one of \(known)")
      }
      if type == .ptr, let address = IPAddress(name) {
        return Question(DomainName(reverse: address), type)
      }
      guard let domain = name == "." ? .root : DomainName(name) else {
        throw ValidationError("\(name) is no domain name")
      }
      return Question(domain, type)
    }

    func run() throws {
      let question = try question()
      let chosen = try choice.resolver(or: config)
      let time = SystemTime()
      let began = time.monotonic
      let response = chosen.resolver.resolve(question, by: Deadline(chosen.limit, time))
      let elapsed = time.monotonic - began
      if json {
        print(Terminal.json(fields(question, response, chosen.source, elapsed)))
      } else {
        for line in lines(question, response, chosen.source, elapsed) { print(line) }
      }
      if response.isFailure { throw ExitCode(EX_TEMPFAIL) }
      if response.isVoid { throw ExitCode(1) }
    }

    private func lines(
      _ question: Question, _ response: Response, _ source: String, _ elapsed: Duration
    ) -> [String] {
      var lines = response.aliases.map { "alias   \($0)" }
      lines += response.records.map { "\($0)" }
      if case .bogus(let why) = response.outcome { lines.append("bogus: \(why)") }
      let kind = response.records.isEmpty ? "\(question): \(response.outcome.word)" : "\(question)"
      lines.append(
        "-- \(kind), \(response.timeToLive) s to live, DNSSEC \(response.security.rawValue), "
          + "from \(source) in \(elapsed.milliseconds)")
      return lines
    }

    private func fields(
      _ question: Question, _ response: Response, _ source: String, _ elapsed: Duration
    ) -> [(String, JSONValue)] {
      [
        ("name", .string("\(question.name)")), ("type", .string(question.type.name)),
        ("result", .string(response.outcome.word)),
        ("records", .array(response.records.map { .string("\($0)") })),
        ("aliases", .array(response.aliases.map { .string("\($0)") })),
        ("ttl", .number(Int(response.timeToLive))),
        ("dnssec", .string(response.security.rawValue)), ("source", .string(source)),
        ("time", .string(elapsed.milliseconds)),
      ]
    }
  }
}
