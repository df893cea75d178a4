// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import BMSDaemon
import Configuration
import Logging
import Policy
import TestSupport
import Testing

struct StoreSetupTests {
  func setup(_ text: String) -> Setup {
    Setup(path: "bms.conf", files: FakeFiles(["bms.conf": text])) { _ in
      Services(
        time: FakeTime(), random: FakeRandom(), files: FakeFiles(),
        trail: MemoryTrail(capacity: 0),
        log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
  }

  @Test func asksForTheStoreThatGreylistingNeeds() {
    let faulty = setup("[greylist]\nmode = enforce\n")
    #expect(faulty.pipeline == nil)
    #expect(
      faulty.faults.map(\.description) == [
        "bms.conf:2: greylist.mode: [greylist] keeps its state in the database: add the section "
          + "[store], or set mode = off or leave [greylist] out"
      ])
    #expect(setup("[greylist]\nmode = off\n").pipeline != nil)
    #expect(setup("[store]\n[greylist]\nmode = enforce\n").faults.isEmpty)
  }

  @Test func takesTheAncestorsSection() {
    let old = setup(
      "[store]\n[greylist]\ndbfile = greylist.db\ntime = 5\nexpire = 6\nretain = 36\n")
    #expect(old.pipeline != nil)
    #expect(old.faults.count == 1)
    #expect(old.faults.first?.description.contains("bmsd greylist import") == true)
    #expect(
      old.configuration.entries.filter { $0.section == "greylist" }.prefix(9).map(\.text).contains(
        "6h"))
  }
}
