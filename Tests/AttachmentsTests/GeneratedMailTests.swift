// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Attachments
import MIME
import Testing

/// Mail from a generator with fixed seeds: nothing of an ordinary one is touched, all that is bad
/// goes, and random damage changes neither.
@Suite struct GeneratedMailTests {
  private static let good = [
    "report.pdf", "scan 1.jpg", "example.com.html", "Notes.docx", "data.zip.txt",
  ]
  private static let mixed = good + ["setup.exe", "Rechnung.pdf.scr", "page.hta"]

  @Test("1,000 ordinary messages: nothing is replaced and nothing is ambiguous", arguments: 0..<20)
  func leavesOrdinaryMail(_ batch: UInt64) throws {
    for seed in 0..<50 {
      var generator = MailGenerator(seed: batch * 50 + UInt64(seed))
      let message = generator.message(names: Self.good)
      let tree = MIMETree(message)
      #expect(try defanged(message) == nil)
      #expect(tree.findings.isEmpty, "seed \(batch * 50 + UInt64(seed)): \(tree.findings)")
    }
  }

  @Test(arguments: 0..<10)
  func cutsNothingButWhatIsBad(_ batch: UInt64) throws {
    for seed in 0..<20 {
      var generator = MailGenerator(seed: 10_000 + batch * 20 + UInt64(seed))
      let message = generator.message(names: Self.mixed)
      let result = try defanged(message)
      let tree = MIMETree(message)
      #expect((result == nil) == Inspection(tree, .usual).isClean)
      guard let result else { continue }
      expectSound(result, from: message)
      let before = leaves(tree, without: result.removed.map(\.part))
      let after = leaves(MIMETree(result.message)).filter {
        !String(decoding: $0, as: UTF8.self).contains("\nREMOVED")
          && !String(decoding: $0, as: UTF8.self).contains("\r\nREMOVED")
      }
      #expect(before == after.filter { before.contains($0) })
      #expect(before.count == after.count || result.removed.contains { $0.part.parent == nil })
    }
  }

  @Test("fault 25: messages with random damage", arguments: 0..<20)
  func cutsDamagedMail(_ batch: UInt64) throws {
    var random = SeededRandom(77 + batch)
    for seed in 0..<30 {
      var generator = MailGenerator(seed: 20_000 + batch * 30 + UInt64(seed))
      var message = generator.message(names: Self.mixed)
      for _ in 0..<(1 + random.next() % 12) { damage(&message, &random) }
      do {
        guard let result = try defanged(message) else { continue }
        #expect(Inspection(MIMETree(result.message), .usual).isClean)
        // Bytes outside what was cut stay: what comes before the first cut is a prefix of the result.
        let first = result.removed.filter { $0.round == 0 && $0.part.buffer == 0 }
          .map(\.part.range.lowerBound).min()
        if let first, result.removed.allSatisfy({ $0.round == 0 && $0.part.buffer == 0 }),
          result.removed.allSatisfy({ $0.part.outer != nil || $0.part.kind == .embedded })
        {
          #expect(result.message.starts(with: message[..<first]))
        }
      } catch {
        Issue.record("batch \(batch), seed \(seed): \(error)")
      }
    }
  }

  /// One of the things that go wrong with mail, or are made to.
  private func damage(_ message: inout [UInt8], _ random: inout SeededRandom) {
    let at = Int(random.next() >> 33) % max(1, message.count)
    let length = Int(random.next() >> 60)
    switch random.next() >> 61 {
    case 0: message[at] = UInt8(truncatingIfNeeded: random.next() >> 40)
    case 1: message.removeSubrange(at..<min(message.count, at + length))
    case 2: message.insert(contentsOf: message[at..<min(message.count, at + 40)], at: at)
    case 3: message.insert(contentsOf: [0x0D, 0x0A], at: at)
    case 4:
      message.insert(
        contentsOf: [[0x0D], [0x0A], [0x00], [0x22], [0x3D], [0x2D, 0x2D]][length % 6], at: at)
    case 5: message.removeSubrange(at..<min(message.count, at + 1))
    case 6:
      // A line twice, or in another place: delimiters and fields that do not belong there.
      let lines = message.split(separator: 0x0A, omittingEmptySubsequences: false)
      guard let line = lines.randomElement(using: &random),
        let place = lines.randomElement(using: &random)
      else { return }
      message.insert(contentsOf: line + [0x0A], at: place.startIndex)
    default: if at > message.count / 2 { message.removeSubrange(at...) }
    }
  }
}
