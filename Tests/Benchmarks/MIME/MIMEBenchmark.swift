// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Archives
import Attachments
import Glibc
import MIME
import SampleMail

/// What it costs to parse a message, decode its parts and inspect all names, beside what it costs to
/// do nothing but find its lines with memchr and to decode the same base64 by a table of bytes. Goal:
/// 1 GB/s for the 400 KB message on one core. Run with `make mime-benchmark`.
@main
struct MIMEBenchmark {
  static let rounds = 40

  static func main() {
    let samples = [
      ("2 KB text", Samples.text), ("30 KB HTML", Samples.html),
      ("400 KB attachments", Samples.attachments),
    ]
    for (name, message) in samples {
      let passes = max(4, 8_000_000 / message.count)
      var fastest: [String: Duration] = [:]
      // Side by side, so that the machine's moods hit all of them; the fastest round counts.
      for _ in 0..<rounds {
        for (step, run) in Self.steps(message) {
          let took = ContinuousClock().measure { for _ in 0..<passes { run() } } / passes
          fastest[step] = min(fastest[step] ?? .seconds(1), took)
        }
      }
      print("\(name), \(message.count) bytes:")
      let whole = fastest["parse, decode, inspect"] ?? .zero
      for (step, _) in Self.steps(message) {
        let took = fastest[step] ?? .zero
        let seconds = Double(took.components.attoseconds) / 1e18
        let speed = Double(message.count) / seconds / 1e9
        print(
          "  \(step): \(microseconds(took)) us, \(rounded(speed)) GB/s, whole/this \(rounded(whole / took))"
        )
      }
    }
  }

  /// Keeps results alive.
  nonisolated(unsafe) static var sink = 0

  static func steps(_ message: [UInt8]) -> [(String, () -> Void)] {
    let rules = AttachmentRules()
    let tree = MIMETree(message)
    let base64 = tree.parts.filter { $0.encoding == .base64 }
    return [
      ("parse, decode, inspect", { sink &+= Inspection(MIMETree(message), rules).sizes.count }),
      ("parse alone", { sink &+= MIMETree(message).parts.count }),
      ("inspect alone", { sink &+= Inspection(tree, rules).sizes.count }),
      (
        "our base64 alone",
        {
          for part in base64 {
            var decoder = tree.decoder(of: part)
            decoder.decode { piece in
              sink &+= piece.count
              return true
            }
          }
        }
      ),
      ("memchr lines alone", { sink &+= Baseline.lines(message) }),
      (
        "byte table base64 alone",
        { for part in base64 { sink &+= Baseline.decode(message[part.body]) } }
      ),
    ]
  }

  static func microseconds(_ duration: Duration) -> Double {
    rounded(Double(duration.components.attoseconds) / 1e12)
  }

  static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}

/// What nothing that looks at a message can be much faster than.
enum Baseline {
  /// The number of lines, found with memchr.
  static func lines(_ message: [UInt8]) -> Int {
    message.withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return 0 }
      var count = 0
      var at = 0
      while at < memory.count, let found = memchr(base + at, 0x0A, memory.count - at) {
        at = base.distance(to: UnsafeRawPointer(found)) + 1
        count += 1
      }
      return count
    }
  }

  private static let table: [UInt8] = {
    var table = [UInt8](repeating: 255, count: 256)
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
    for (value, letter) in alphabet.enumerated() { table[Int(letter)] = UInt8(value) }
    return table
  }()

  /// Decodes base64 with a table of one byte for each character.
  static func decode(_ text: ArraySlice<UInt8>) -> Int {
    let room = text.count / 4 * 3 + 4
    return withUnsafeTemporaryAllocation(byteCount: room, alignment: 8) { output in
      text.withUnsafeBytes { input in
        table.withUnsafeBufferPointer { table in
          var bits: UInt32 = 0
          var digits = 0
          var written = 0
          for byte in input {
            let value = table[Int(byte)]
            guard value != 255 else { continue }
            bits = bits << 6 | UInt32(value)
            digits += 1
            guard digits == 4 else { continue }
            output[written] = UInt8(truncatingIfNeeded: bits >> 16)
            output[written + 1] = UInt8(truncatingIfNeeded: bits >> 8)
            output[written + 2] = UInt8(truncatingIfNeeded: bits)
            written += 3
            digits = 0
          }
          return written + Int(output[0])
        }
      }
    }
  }
}
