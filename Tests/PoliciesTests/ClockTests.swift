// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Greylisting
import Store
import TestSupport
import Testing

/// The wall clock is set back or forward by a day while mail comes.
struct ClockTests {
  static let day = Duration.seconds(86_400)

  @Test("fault 44: greylisting forgives a clock that was wrong")
  func greylistingForgivesAClockThatWasWrong() throws {
    let site = try GreylistSite()
    #expect(site.send().last != .some(nil))
    // Back: what waits has not begun yet; it waits its time from now on, not a day longer.
    site.time.set(by: .zero - Self.day)
    #expect((site.send().last ?? nil)?.contains("in 5 minutes") == true)
    site.time.advance(by: .seconds(300))
    #expect(site.send() == [nil, nil])
    // Forward again: what passed stays known, what waits passes.
    #expect(site.send(client: "198.51.100.7").last != .some(nil))
    site.time.set(by: Self.day)
    #expect(site.send() == [nil, nil])
    #expect(site.send(client: "198.51.100.7") == [nil, nil])
    // And back: what passed in the future stays known too.
    site.time.set(by: .zero - Self.day)
    #expect(site.send() == [nil, nil])
    #expect(site.send(client: "198.51.100.7") == [nil, nil])
  }

  @Test func aPurgeWithAWrongClockKeepsWhatPassed() throws {
    let site = try GreylistSite()
    _ = site.send()
    site.time.advance(by: .seconds(300))
    #expect(site.send() == [nil, nil])
    for step in [Self.day, .zero - Self.day - Self.day, Self.day] {
      site.time.set(by: step)
      _ = try site.store.purgeGreylist(
        by: TripletRule(
          delay: 300_000, expire: 172_800_000, retain: 3_110_400_000, autoPass: 5),
        at: site.time.milliseconds, within: .seconds(5))
      #expect(site.send() == [nil, nil])
    }
  }

  @Test("fault 44: bans hold across a clock that was wrong") func bansHoldAcrossAClockThatWasWrong()
    throws
  {
    let harness = try ListHarness("[banned_ips]\nmode = enforce\nban_time = 2d\n")
    #expect(try harness.outcome("192.0.2.9", unknown: 9) == "ban-earned")
    for step in [Self.day, .zero - Self.day, .zero - Self.day, Self.day] {
      harness.time.set(by: step)
      harness.bans.purge()
      try harness.bans.flush(within: .seconds(5))
      #expect(try harness.outcome("192.0.2.9") == "banned-client")
    }
    harness.time.advance(by: Self.day + Self.day)
    #expect(try harness.outcome("192.0.2.9") == nil)
  }

  /// A ban made while the clock was a day ahead lasts a day longer, no more; one made while it was
  /// behind ends at once when the clock is right again, and can be earned anew.
  @Test func aBanMadeByAWrongClockEnds() throws {
    let harness = try ListHarness("[banned_ips]\nmode = enforce\nban_time = 1h\n")
    harness.time.set(by: Self.day)
    #expect(try harness.outcome("192.0.2.9", unknown: 9) == "ban-earned")
    harness.time.set(by: .zero - Self.day)
    #expect(try harness.outcome("192.0.2.9") == "banned-client")
    harness.time.advance(by: Self.day + .seconds(3600))
    #expect(try harness.outcome("192.0.2.9") == nil)
    harness.time.set(by: .zero - Self.day)
    #expect(try harness.outcome("192.0.2.10", unknown: 9) == "ban-earned")
    harness.time.set(by: Self.day)
    #expect(try harness.outcome("192.0.2.10") == nil)
    #expect(try harness.outcome("192.0.2.10", unknown: 9) == "ban-earned")
    #expect(try harness.outcome("192.0.2.10") == "banned-client")
  }
}
