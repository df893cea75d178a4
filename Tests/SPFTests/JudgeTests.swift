// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Foundation
import Mail
import SPF
import TestSupport
import Testing

/// Debian's python3-spf as a judge that we did not write: records made of pieces, evaluated by both.
@Suite struct JudgeTests {
  struct Case: Encodable, Sendable {
    var zone: [[String]]
    var client: String
    var helo: String
    var from: String

    /// The same for our own resolver.
    var zoneFile: String {
      zone.map { row in
        let data = row[2]
        return "\(row[0]) \(row[1]) \(row[1] == "TXT" ? "\"\(data)\"" : data)"
      }.joined(separator: "\n")
    }
  }

  /// What all records can lead to.
  static let surroundings: [[String]] = [
    ["example.com", "A", "192.0.2.1"], ["example.com", "MX", "10 mail.example.com"],
    ["mail.example.com", "A", "192.0.2.2"], ["mail.example.com", "AAAA", "2001:db8::2"],
    ["example.com", "AAAA", "2001:db8::1"],
    ["pass.example", "TXT", "v=spf1 ip4:192.0.2.0/29 ip6:2001:db8::/64 -all"],
    ["fail.example", "TXT", "v=spf1 -all"], ["soft.example", "TXT", "v=spf1 ~all"],
    ["neutral.example", "TXT", "v=spf1"], ["bad.example", "TXT", "v=spf1 moo"],
    ["deep.example", "TXT", "v=spf1 include:pass.example redirect=soft.example"],
    ["many.example", "TXT", "v=spf1 a:mail.example.com a:mail.example.com a:mail.example.com"],
    ["slow.example", "TIMEOUT", ""], ["1.2.0.192.in-addr.arpa", "PTR", "example.com"],
    ["2.2.0.192.in-addr.arpa", "PTR", "mail.example.com"],
    ["user.user.example", "A", "127.0.0.2"], ["192.0.2.1.list.example", "A", "127.0.0.2"],
  ]

  static let terms = [
    "a", "mx", "ptr", "all", "a/24", "mx//64", "a:mail.example.com", "a:nothing.example",
    "mx:nothing.example", "mx:example.com/24//64", "ptr:example.com", "ptr:other.example",
    "include:pass.example", "include:fail.example", "include:soft.example",
    "include:neutral.example", "include:bad.example", "include:deep.example",
    "include:nothing.example", "include:many.example", "include:slow.example", "exists:example.com",
    "exists:%{l}.user.example", "exists:%{i}.list.example", "exists:%{ir}.%{v}.arpa",
    "exists:%{d2}", "a:%{d}", "a:%{h}", "a:%{o1r}.example", "ip4:192.0.2.1", "ip4:192.0.2.0/30",
    "ip4:0.0.0.0/0", "ip6:2001:db8::1", "ip6:2001:db8::/32", "ip6:::/0", "exp=pass.example",
    "redirect=soft.example", "redirect=deep.example", "redirect=nothing.example", "x=%{d}",
    "x.y-z_1=a:b/c", "a:slow.example", "MX", "A:mail.EXAMPLE.com", "Include:Pass.Example",
    "ip4:192.0.2.1/32", "moo", "a:", "ip4:192.0.2.1/33", "a:%{x}.example", "exists:a..example",
  ]

  static func cases(_ count: Int) -> [Case] {
    // A generator of its own, so that the cases are the same in every run.
    var seed: UInt32 = 7208
    func random(_ limit: Int) -> Int {
      seed = seed &* 1_664_525 &+ 1_013_904_223
      return Int(seed >> 16) % limit
    }
    let clients = [
      "192.0.2.1", "192.0.2.2", "192.0.2.9", "2001:db8::1", "2001:db8:1::1", "::ffff:192.0.2.1",
    ]
    return (0..<count).map { _ in
      var words = ["v=spf1"]
      for _ in 0..<random(7) {
        // Terms that are wrong stand at the end, and so come up less often.
        let term = terms[random(random(8) == 0 ? terms.count : terms.count - 5)]
        // pyspf calls a repeated unknown modifier an error; RFC 7208 §6 has them ignored however
        // often they stand there.
        if term.hasPrefix("x"), words.contains(term) { continue }
        let qualifier = term.contains("=") ? "" : ["", "", "+", "-", "~", "?"][random(6)]
        words.append(qualifier + term)
      }
      return Case(
        zone: surroundings + [["test.example.com", "TXT", words.joined(separator: " ")]],
        client: clients[random(clients.count)], helo: ["mail.example.com", "nothing"][random(2)],
        from: "user@test.example.com")
    }
  }

  @Test func agreesWithPyspf() throws {
    let cases = Self.cases(3_000)
    let verdicts = try Self.judge(cases)
    #expect(verdicts.count == cases.count)
    var results: [String: Int] = [:]
    for (test, verdict) in zip(cases, verdicts) {
      let time = FakeTime()
      let evaluator = SPFEvaluator(resolver: try ZoneResolver(test.zoneFile), time: time)
      let query = SPFQuery(
        client: try #require(IPAddress(test.client)),
        mailFrom: Mailbox(envelope: MailText(test.from)), helo: MailText(test.helo))
      let evaluation = evaluator.evaluate(query, by: Deadline(.seconds(20), time))
      results[verdict, default: 0] += 1
      #expect(
        evaluation.result.rawValue == verdict,
        "\(test.zone.last?.last ?? "") from \(test.client): \(evaluation.problem ?? "")")
    }
    #expect(results.count >= 6)
  }

  static func judge(_ cases: [Case]) throws -> [String] {
    let process = Process()
    process.executableURL = URL(filePath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Tools/pyspf-judge")
    let folder = try TemporaryFolder()
    let input = folder.path("cases.json")
    try JSONEncoder().encode(cases).write(to: URL(filePath: input))
    process.standardInput = try FileHandle(forReadingFrom: URL(filePath: input))
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let json = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return try JSONDecoder().decode([String].self, from: json)
  }
}
