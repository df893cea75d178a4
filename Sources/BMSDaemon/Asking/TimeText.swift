// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Glibc

/// Moments as people write and read them, in one time zone.
package struct TimeText: Sendable {
  private let isUTC: Bool

  /// The machine's zone.
  package static let local = TimeText(isUTC: false)
  /// UTC, for tests and programs.
  package static let utc = TimeText(isUTC: true)

  /// `2026-11-20 14:00:03` of milliseconds since 1970.
  package func text(_ milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    if isUTC { gmtime_r(&seconds, &parts) } else { localtime_r(&seconds, &parts) }
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
  }

  /// A moment before `now` (`2h`, `3d`), a day (`2026-11-20`) or a time of a day
  /// (`2026-11-20 14:00`, also with seconds or a T), as milliseconds since 1970.
  package func parse(_ text: String, now: Int64) throws(ValueError) -> Int64 {
    if let span = try? TimeSpan(parsing: text, ParsingContext()) {
      return now - Int64(span.milliseconds)
    }
    let bad = ValueError(
      "\"\(text)\" is no time: write 2h, 3d, 2026-11-20 or \"2026-11-20 14:00\"")
    let halves = text.split(maxSplits: 1) { $0 == " " || $0 == "T" }
    guard let day = halves.first.flatMap({ Self.numbers($0, "-", 3...3) }) else { throw bad }
    var clock: [Int32] = []
    if halves.count > 1 {
      guard let numbers = halves.last.flatMap({ Self.numbers($0, ":", 2...3) }) else { throw bad }
      clock = numbers
    }
    var parts = tm()
    var fields = (day + clock).makeIterator()
    parts.tm_year = (fields.next() ?? 0) - 1900
    parts.tm_mon = (fields.next() ?? 0) - 1
    parts.tm_mday = fields.next() ?? 0
    parts.tm_hour = fields.next() ?? 0
    parts.tm_min = fields.next() ?? 0
    parts.tm_sec = fields.next() ?? 0
    parts.tm_isdst = -1
    guard (70...8000).contains(parts.tm_year), (0...11).contains(parts.tm_mon),
      (1...31).contains(parts.tm_mday), (0...23).contains(parts.tm_hour),
      (0...59).contains(parts.tm_min), (0...60).contains(parts.tm_sec)
    else { throw bad }
    return Int64(isUTC ? timegm(&parts) : mktime(&parts)) * 1000
  }

  private static func numbers(
    _ text: Substring, _ separator: Character, _ count: ClosedRange<Int>
  ) -> [Int32]? {
    let parts = text.split(separator: separator, omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in
      part.allSatisfy { $0.isASCII && $0.isNumber } && part.count <= 4 ? Int32(part) : nil
    }
    return numbers.count == parts.count && count.contains(numbers.count) ? numbers : nil
  }

  /// `3 days`, `2 hours`, `5 minutes`: the largest unit that fits.
  package static func span(_ milliseconds: Int64) -> String {
    let units: [(String, Int64)] = [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000)]
    for (name, length) in units where milliseconds >= length {
      let count = milliseconds / length
      return "\(count) \(name)\(count == 1 ? "" : "s")"
    }
    return "less than a minute"
  }
}
