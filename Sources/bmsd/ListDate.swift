// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// Dates of lists.
enum ListDate {
  /// UTC, `2026-11-21 10:00`; `-` for none. `milliseconds` are since 1970.
  static func text(_ milliseconds: Int64?) -> String {
    guard let milliseconds else { return "-" }
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil else { return "?" }
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min))"
  }

  /// The end of the day `2026-12-31`, or the minute `2026-12-31 10:00`, in UTC; nil when it is
  /// neither.
  static func parse(_ text: String) -> Int64? {
    let halves = text.split(whereSeparator: { $0 == " " || $0 == "T" })
    let date = numbers(halves.first, separator: "-")
    guard (1...2).contains(halves.count), date.count == 3 else { return nil }
    var parts = tm()
    parts.tm_year = date[0] - 1900
    parts.tm_mon = date[1] - 1
    parts.tm_mday = date[2]
    if halves.count == 2 {
      let clock = numbers(halves.last, separator: ":")
      guard clock.count == 2, (0...23).contains(clock[0]), (0...59).contains(clock[1]) else {
        return nil
      }
      parts.tm_hour = clock[0]
      parts.tm_min = clock[1]
    }
    let seconds = timegm(&parts)
    // What timegm had to put right was no date: 2026-02-30.
    guard date[0] >= 1970, parts.tm_mon == date[1] - 1, parts.tm_mday == date[2] else {
      return nil
    }
    return Int64(seconds + (halves.count == 1 ? 86_400 : 0)) * 1000
  }

  private static func numbers(_ text: Substring?, separator: Character) -> [Int32] {
    let parts = text?.split(separator: separator, omittingEmptySubsequences: false) ?? []
    let numbers = parts.compactMap { Int32($0) }
    return numbers.count == parts.count && numbers.allSatisfy { (0...9999).contains($0) }
      ? numbers : []
  }
}
