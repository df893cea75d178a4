// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Greylisting
import Testing

struct TripletCSVTests {
  @Test func readsTheAncestorsLines() throws {
    var csv = TripletCSV(keys: TripletKeys())
    #expect(try csv.record(Array("ip,sender,recipient,firstseen,lastseen,cnt,umis".utf8)) == nil)
    let line = "192.0.2.0,Joe%2Bx@example.org,\"<a@b.c>\",1136073600.25,1136077200,3,None\r"
    #expect(
      try csv.record(Array(line.utf8))
        == TripletRecord(
          triplet: Triplet(origin: "192.0.2.0/24", sender: "joe@example.org", recipient: "a@b.c"),
          first: 1_136_073_600_250, last: 1_136_077_200_000, passed: 3, tries: 4))
    let domain = try csv.record(Array("Example.COM,,a@b.c,1,2,0,".utf8))
    #expect(domain?.triplet == Triplet(origin: "example.com", sender: "", recipient: "a@b.c"))
  }

  @Test(arguments: [
    "", "a@b", ",,,,,,", "x y,a,b,1,2,3,", "example.com,a,b,one,2,3,", "example.com,a,b,nan,2,3,",
    "example.com,a,b,1e99,2,3,", "example.com,a,b,-1,2,3,", "example.com,a,b,1,2,-3,",
    "example.com,a,b,1,2,1e300,", "example.com,\"a,b,1,2,3,", "a.b,c,d,1,2,3,4,5,6,7",
    "\u{0}\u{1},\u{2},,,,,", "999.999.999.999.9/77,a,b,1,2,3,",
    ".,a,b,1,2,3,", "..,a,b,1,2,3,",
  ])
  func refusesGarbage(_ line: String) {
    var csv = TripletCSV(keys: TripletKeys())
    let record = try? csv.record(Array(line.utf8))
    #expect((record ?? nil) == nil)
  }

  @Test(arguments: ["a@b", "", "\"q,%x\"@y", "é\\x0A@z", "100%41@b", "list-#@x"])
  func readsBackWhatItWrote(_ sender: String) throws {
    let record = TripletRecord(
      triplet: Triplet(origin: "192.0.2.0/24", sender: sender, recipient: "*"),
      first: 1_795_219_200_007, last: 1_795_219_200_999, passed: 2, tries: 2)
    var csv = TripletCSV(keys: TripletKeys())
    #expect(try csv.record(Array(TripletCSV.header.utf8)) == nil)
    let line = TripletCSV.line(record)
    #expect(try csv.record(Array(line.utf8)) == record, "\(line)")
  }

  /// 2.022 times 1000 is a little less than 2022.
  @Test func keepsEveryMillisecond() throws {
    var csv = TripletCSV(keys: TripletKeys())
    #expect(try csv.record(Array(TripletCSV.header.utf8)) == nil)
    for time in Array(0..<5_000) + (1_795_219_200_000..<1_795_219_205_000) {
      let record = TripletRecord(
        triplet: Triplet(origin: "192.0.2.0/24", sender: "a@b", recipient: "*"),
        first: Int64(time), last: Int64(time), passed: 0, tries: 1)
      let read = try csv.record(Array(TripletCSV.line(record).utf8))
      try #require(read == record, "\(time)")
    }
  }
}
