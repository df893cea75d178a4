// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Environment
import SPF
import TestSupport
import Testing

@Suite struct RecordCacheTests {
  @Test func aRecordIsReadOnceWhileItLives() throws {
    let world = try SPFWorld(
      "example.com TXT \"v=spf1 ip4:192.0.2.1 -all\"", records: SPFRecordCache())
    for _ in 0..<3 { #expect(try world.check().result == .pass) }
    #expect(world.resolver.asked.count == 1)
    #expect(try world.check().lookups.map(\.isFromCache) == [true])
    world.time.advance(by: .seconds(Int(ZoneResolver.timeToLive) - 1))
    #expect(try world.check().result == .pass)
    #expect(world.resolver.asked.count == 1)
    world.time.advance(by: .seconds(1))
    #expect(try world.check().result == .pass)
    #expect(world.resolver.asked.count == 2)
  }

  @Test(
    "what is kept and what is not",
    arguments: [
      ("\"v=spf1 moo\"", SPFResult.permerror, 1), ("\"none\"", .none, 2),
    ])
  func keeps(_ text: String, _ result: SPFResult, _ questions: Int) throws {
    let world = try SPFWorld("example.com TXT \(text)", records: SPFRecordCache())
    for _ in 0..<2 { #expect(try world.check().result == result) }
    #expect(world.resolver.asked.count == questions)
  }

  @Test func theSuiteHoldsWithAWarmCache() throws {
    for test in try OpenSPFCase.rfc7208.get() {
      let time = FakeTime()
      let evaluator = SPFEvaluator(
        resolver: try ZoneResolver(test.zone), time: time, records: SPFRecordCache())
      let results = try (0..<2).map { _ in
        evaluator.evaluate(try test.query(), by: Deadline(.seconds(20), time)).result.rawValue
      }
      #expect(results.allSatisfy { $0 == test.results.first }, "\(test.name)")
    }
  }

  @Test func aSmallCacheForgets() throws {
    let zone = (0..<100).map { "d\($0).example TXT \"v=spf1 -all\"" }.joined(separator: "\n")
    let world = try SPFWorld(zone, records: SPFRecordCache(capacity: 2_000))
    for round in 0..<2 {
      for number in 0..<100 { #expect(try world.check("a@d\(number).example").result == .fail) }
      #expect(world.resolver.asked.count == 100 * (round + 1))
    }
  }
}
