// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Glibc

/// Moments as people write and read them, in one time zone, which every text names.
package struct TimeText: Sendable {
  private let isUTC: Bool

  /// The machine's zone.
  package static let local = TimeText(isUTC: false)
  /// UTC, for tests and programs.
  package static let utc = TimeText(isUTC: true)

  /// `2026-11-20 14:00:03 +01:00`, or `2026-11-20 13:00:03 Z` in UTC, of milliseconds since 1970.
  package func text(_ milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    if isUTC { gmtime_r(&seconds, &parts) } else { localtime_r(&seconds, &parts) }
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) "
      + Self.zone(parts.tm_gmtoff / 60)
  }

  /// The same for lists; `-` for none.
  package func text(_ milliseconds: Int64?) -> String { milliseconds.map { text($0) } ?? "-" }

  /// `+01:00` of minutes east of Greenwich, `Z` of none.
  private static func zone(_ minutes: Int) -> String {
    guard minutes != 0 else { return "Z" }
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return (minutes < 0 ? "-" : "+") + two(abs(minutes) / 60) + ":" + two(abs(minutes) % 60)
  }

  /// The end of the day `2026-12-31`, or the minute `2026-12-31 10:00`, as milliseconds since 1970.
  package func parseEnd(_ text: String) throws(ValueError) -> Int64 {
    let bad = ValueError("\"\(text)\" is no date: write 2026-12-31 or \"2026-12-31 10:00\"")
    guard (try? TimeSpan(parsing: text, ParsingContext())) == nil else { throw bad }
    guard text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == "-") }) else {
      return try parse(text, now: 0)
    }
    // By way of noon, since a day may have 23 or 25 hours.
    let noon = try parse("\(text) 12:00", now: 0)
    let next = self.text(noon + 86_400_000).prefix { $0 != " " }
    return try parse(String(next), now: 0)
  }

  /// Takes a zone off the end of `text`, as `text` writes it; nil where there is none.
  private static func takeZone(_ text: inout Substring) -> Int64? {
    if text.last == "Z" {
      text = text.dropLast()
      if text.last == " " { text = text.dropLast() }
      return 0
    }
    let parts = text.suffix(6)
    guard let sign = parts.first, sign == "+" || sign == "-", text.count > 16,
      let numbers = numbers(parts.dropFirst(), ":", 2...2), numbers.count == 2
    else { return nil }
    text = text.dropLast(6)
    if text.last == " " { text = text.dropLast() }
    return Int64(numbers[0] * 60 + numbers[1]) * (sign == "-" ? -1 : 1)
  }

  /// A moment before `now` (`2h`, `3d`), a day (`2026-11-20`) or a time of a day
  /// (`2026-11-20 14:00`, also with seconds, a T, or a zone as it is printed), as milliseconds since
  /// 1970.
  package func parse(_ text: String, now: Int64) throws(ValueError) -> Int64 {
    if let span = try? TimeSpan(parsing: text, ParsingContext()) {
      return now - Int64(span.milliseconds)
    }
    let bad = ValueError(
      "\"\(text)\" is no time: write 2h, 3d, 2026-11-20 or \"2026-11-20 14:00\"")
    var rest = text[...]
    let zone = Self.takeZone(&rest)
    let halves = rest.split(maxSplits: 1) { $0 == " " || $0 == "T" }
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
    // What the calendar has to put right was no date: 2026-02-31.
    var date = tm()
    (date.tm_year, date.tm_mon, date.tm_mday) = (parts.tm_year, parts.tm_mon, parts.tm_mday)
    let wanted = date.tm_mday
    _ = timegm(&date)
    guard date.tm_mday == wanted else {
      throw ValueError("\"\(text)\": there is no such day")
    }
    if let zone { return Int64(timegm(&parts)) * 1000 - zone * 60_000 }
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
