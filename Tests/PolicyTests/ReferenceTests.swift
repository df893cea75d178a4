// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Policy
import TestSupport
import Testing

@Suite struct ReferenceTests {
  @Test func doNotRepeat() throws {
    let site = try Site()
    var seen: Set<Reference> = []
    for number in 0..<100_000 {
      if number % 10_000 == 0 { site.time.advance(by: .seconds(1)) }
      let reference = site.pipeline.references.next()
      #expect(seen.insert(reference).inserted)
      if !seen.contains(reference) { break }
    }
    #expect(seen.count == 100_000)
    #expect(seen.allSatisfy { Reference($0.description) == $0 })
    let letters = Set(seen.flatMap { Array($0.description) })
    #expect(letters == Set("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
  }

  @Test func survivesAClockBeforeItsEpoch() throws {
    let site = try Site()
    site.time.advance(by: .seconds(-60 * 86_400 * 365))
    #expect(site.pipeline.references.next() != site.pipeline.references.next())
  }

  @Test(
    arguments: [
      ("K7Q2M9XA4T", "K7Q2M9XA4T"), ("k7q2m9xa4t", "K7Q2M9XA4T"), ("K7Q2M-9XA4T", "K7Q2M9XA4T"),
      (" K7Q2M 9XA4T ", "K7Q2M9XA4T"), ("olIi0O1l00", "0111001100"), ("OOOOOOOOOO", "0000000000"),
      ("K7Q2M9XA4", nil), ("K7Q2M9XA4TT", nil), ("K7Q2M9XA4U", nil), ("", nil), ("----------", nil),
      ("K7Q2M9XA4é", nil), ("K7Q2M9XA4\u{0}", nil), ("K7Q2M9XA4ß", nil), ("4ZBC12345678", nil),
    ] as [(String, String?)])
  func foldsWhatPeopleType(_ typed: String, _ expected: String?) {
    #expect(Reference(typed)?.description == expected)
  }

  @Test func firstMessageIsTheConnection() throws {
    let site = try Site("[helo]\nmode = enforce")
    let result = try Conversation().from().to().from().to().run(on: site)
    let references = result.records.map(\.reference.description)
    #expect(Set(references).count == 2)
    let connect = try #require(result.log.first { $0[.verdict] == "connect" })
    #expect(connect[.ref] == references.first)
  }
}
