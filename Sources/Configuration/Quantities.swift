// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A span of time as options have it.
public struct TimeSpan: Sendable, Hashable, Comparable {
  /// The span in whole milliseconds, never negative, at most a hundred years.
  public let milliseconds: Int

  private static let longest = 36_525 * 86_400_000

  private init(milliseconds: Int) {
    self.milliseconds = min(max(milliseconds, 0), Self.longest)
  }

  /// The span in seconds, a fraction cut off.
  public var seconds: Int { milliseconds / 1_000 }

  /// The span as the standard library has it.
  public var duration: Duration { .milliseconds(milliseconds) }

  /// A span of milliseconds, clamped to 0 ... 100 years.
  public static func milliseconds(_ count: Int) -> TimeSpan { TimeSpan(count, of: 1) }
  /// A span of seconds, clamped to 0 ... 100 years.
  public static func seconds(_ count: Int) -> TimeSpan { TimeSpan(count, of: 1_000) }
  /// A span of minutes, clamped to 0 ... 100 years.
  public static func minutes(_ count: Int) -> TimeSpan { TimeSpan(count, of: 60_000) }
  /// A span of hours, clamped to 0 ... 100 years.
  public static func hours(_ count: Int) -> TimeSpan { TimeSpan(count, of: 3_600_000) }
  /// A span of days, clamped to 0 ... 100 years.
  public static func days(_ count: Int) -> TimeSpan { TimeSpan(count, of: 86_400_000) }

  private init(_ count: Int, of unit: Int) {
    let (product, overflow) = count.multipliedReportingOverflow(by: unit)
    self.init(milliseconds: overflow ? (count < 0 ? 0 : Self.longest) : product)
  }

  /// Orders by length.
  public static func < (left: TimeSpan, right: TimeSpan) -> Bool {
    left.milliseconds < right.milliseconds
  }
}

extension TimeSpan: OptionValue {
  private static let units: [(name: String, milliseconds: Int)] = [
    ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000),
    ("ms", 1),
  ]

  /// The name of the kind.
  public static var kind: String { "duration" }
  /// How a duration is written.
  public static var syntax: String {
    "A whole number and a unit: ms, s, m (minutes), h, d or w, as in 30s, 5m, 36d. "
      + "A bare number has the unit that the option names."
  }

  /// Reads `5m`; a bare number has the option's unit.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    let (digits, suffix) = text.splitNumber
    let bad = ValueError(
      "\(text.quotedForFault) is not a duration: write it like 30s, 5m, 6h or 36d")
    guard !digits.isEmpty else { throw bad }
    let unitName = suffix.isEmpty ? context.unit : suffix
    guard let unitName else {
      // Nothing is nothing in any unit.
      if Int(digits) == 0 {
        self = .seconds(0)
        return
      }
      throw ValueError(
        "\(text.quotedForFault) has no unit: write \(digits)s, \(digits)m or \(digits)h")
    }
    guard let unit = Self.units.first(where: { $0.name == unitName }) else { throw bad }
    guard let count = Int(digits), count <= Self.longest / unit.milliseconds else {
      throw ValueError("\(text.quotedForFault) is too long: at most 36525d are allowed")
    }
    self.init(milliseconds: count * unit.milliseconds)
  }

  /// The number in the largest unit up to days that divides it: `36d`, `90s`.
  public var text: String {
    let unit = Self.units.dropFirst().first { milliseconds % $0.milliseconds == 0 }
    guard let unit, milliseconds > 0 else { return "0s" }
    return "\(milliseconds / unit.milliseconds)\(unit.name)"
  }
}

/// A number of bytes as options have it.
public struct ByteSize: Sendable, Hashable, Comparable {
  /// The size in bytes, never negative.
  public let bytes: Int

  private init(_ count: Int, shift: Int) {
    bytes = min(max(count, 0), Int.max >> shift) << shift
  }

  /// A size in bytes.
  public static func bytes(_ count: Int) -> ByteSize { ByteSize(count, shift: 0) }
  /// A size in units of 1024 bytes.
  public static func kilobytes(_ count: Int) -> ByteSize { ByteSize(count, shift: 10) }
  /// A size in units of 1024 kilobytes.
  public static func megabytes(_ count: Int) -> ByteSize { ByteSize(count, shift: 20) }
  /// A size in units of 1024 megabytes.
  public static func gigabytes(_ count: Int) -> ByteSize { ByteSize(count, shift: 30) }

  /// Orders by size.
  public static func < (left: ByteSize, right: ByteSize) -> Bool { left.bytes < right.bytes }
}

extension ByteSize: OptionValue {
  private static let units = [("", 0), ("K", 10), ("M", 20), ("G", 30), ("T", 40)]

  /// The name of the kind.
  public static var kind: String { "size" }
  /// How a size is written.
  public static var syntax: String {
    "A whole number of bytes, or of K, M, G or T, each 1024 times the one before, as in 10M."
  }

  /// Reads `10M`; a bare number has the option's unit, or else counts bytes.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    let (digits, suffix) = text.splitNumber
    var unitName = (suffix.isEmpty ? context.unit ?? "" : suffix).uppercased()
    for tail in ["IB", "B"] where unitName.hasSuffix(tail) {
      unitName.removeLast(tail.count)
      break
    }
    guard !digits.isEmpty, let unit = Self.units.first(where: { $0.0 == unitName }) else {
      throw ValueError("\(text.quotedForFault) is not a size: write it like 500K, 10M or 2G")
    }
    guard let count = Int(digits), count <= (1 << 60) >> unit.1 else {
      throw ValueError("\(text.quotedForFault) is too large: write a smaller size")
    }
    self.init(count, shift: unit.1)
  }

  /// The number in the largest unit that divides it.
  public var text: String {
    let unit = Self.units.last { bytes > 0 && bytes % (1 << $0.1) == 0 }
    return "\(bytes >> (unit?.1 ?? 0))\(unit?.0 ?? "")"
  }
}

extension String {
  /// The ASCII digits at the start, and the trimmed rest.
  fileprivate var splitNumber: (digits: String, suffix: String) {
    let digits = prefix { $0.isASCII && $0.isNumber }
    return (String(digits), String(dropFirst(digits.count)).trimmed)
  }
}
