// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Logging
import Policy
import TestSupport
import Testing

/// A failure that stands is said once a minute, however many messages meet it.
struct FaultPaceTests {
  let time = FakeTime()

  @Test func saysEachKindOnceAMinute() {
    let pace = FaultPace(time)
    #expect(pace.isDue("full") == 0)
    for _ in 0..<99 { #expect(pace.isDue("full") == nil) }
    #expect(pace.isDue("locked") == 0)
    time.advance(by: .seconds(59))
    #expect(pace.isDue("full") == nil)
    time.advance(by: .seconds(1))
    #expect(pace.isDue("full") == 100)
    #expect(pace.isDue("full") == nil)
    time.advance(by: .seconds(60))
    #expect(pace.isDue("full") == 1)
  }

  /// A peer that changes the text of a failure each time does not get a line each time.
  @Test func manyKindsShareOne() {
    let pace = FaultPace(time)
    var said = 0
    for number in 0..<1000 where pace.isDue("kind \(number)") != nil { said += 1 }
    #expect(said <= 65)
    time.advance(by: .seconds(60))
    #expect(pace.isDue("new") != nil)
  }

  @Test func aThousandMessages() throws {
    let site = try Site(
      "[one]\nmode = enforce\non_error = tempfail\nrcpt = throw", modules: [One.self])
    for _ in 0..<100 { _ = try Conversation().from().to().run(on: site) }
    let lines = site.log.entries.filter { $0.level == .error }
    #expect(lines.count == 1)
  }
}
