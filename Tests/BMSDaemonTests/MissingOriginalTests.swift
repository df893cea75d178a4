// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Control
import Environment
import Glibc
import Policy
import Quarantine
import Store
import TestSupport
import Testing

@testable import BMSDaemon

/// Originals that the index knows, and whose files somebody took away.
extension QuarantineRequestTests {
  enum Loss: String, CaseIterable { case file, folder }

  /// A quarantine whose one original is lost, on the index of this one.
  private func lose(_ loss: Loss) throws -> (Administration, what: String) {
    switch loss {
    case .file:
      let path = folder.path("\(Self.reference).eml")
      #expect(unlink(path) == 0)
      return (administration(quarantine), path)
    case .folder:
      let lost = FileQuarantine(
        folder: SystemFolder(folder.path("lost")), store: quarantine.store, random: FakeRandom())
      return (administration(lost), "the folder \(folder.path("lost"))")
    }
  }

  private func administration(_ quarantine: FileQuarantine) -> Administration {
    let memory = Memory(
      store: quarantine.store, trail: MemoryTrail(capacity: 0), quarantine: quarantine)
    var daemon = AdministrationTests.FakeDaemon()
    daemon.configuration = Configuration(
      text: "", sections: [NetworkOptions.self, SubmitOptions.self])
    return Administration(memory, time, daemon.configuration, daemon: daemon)
  }

  private func rows(
    _ administration: Administration, _ request: QuarantineRequest
  ) -> (rows: [QuarantineRow], end: ControlEnd) {
    var rows: [QuarantineRow] = []
    let end = administration.perform(.quarantine(request), by: Self.caller) { row in
      if let row = row as? QuarantineRow { rows.append(row) }
    }
    return (rows, end)
  }

  @Test(arguments: Loss.allCases) func deletesWhatIsGone(_ loss: Loss) throws {
    let (administration, what) = try lose(loss)
    let (deleted, end) = rows(administration, .delete(Self.reference))
    #expect(deleted == [.deleted(1, bytes: 0, missing: 1)])
    #expect(end == ControlEnd(0, ["its original was gone already: \(what) is not there"]))
    #expect(rows(administration, .show(Self.reference)).end.status == 1)
  }

  @Test(arguments: Loss.allCases) func purgesWhatIsGone(_ loss: Loss) throws {
    let (administration, _) = try lose(loss)
    time.advance(by: .seconds(2))
    let (deleted, end) = rows(administration, .purge(olderThan: 1000))
    #expect(deleted.last == .deleted(1, bytes: 0, missing: 1))
    #expect(end == .well)
    #expect(rows(administration, .list(limit: 1, skip: 0)).rows == [.counted(0, bytes: 0)])
  }

  @Test(arguments: Loss.allCases) func saysWhatIsGone(_ loss: Loss) throws {
    let (administration, what) = try lose(loss)
    for request in [QuarantineRequest.list(limit: 9, skip: 0), .show(Self.reference)] {
      let (found, end) = rows(administration, request)
      #expect(found.dropFirst().first == .missing(Self.reference, what))
      #expect(end == .well)
    }
    let release = ReleaseRequest(
      reference: Self.reference, form: .original, part: nil, recipient: nil, reason: "")
    for request in [QuarantineRequest.content(Self.reference, part: nil), .release(release)] {
      let (found, end) = rows(administration, request)
      #expect(found == [])
      #expect(
        end
          == ControlEnd(
            EX_NOINPUT,
            [
              "the original of \(Self.reference) is gone: \(what) is not there; "
                + "bmsd quarantine delete \(Self.reference) forgets it"
            ]))
    }
  }
}
