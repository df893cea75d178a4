// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// One option of a section: its key, kind, default and documentation in one place.
///
/// A section declares its options as stored properties of this type; parsing, checks, sample file
/// and manual are all made from them.
public struct ConfigOption<Value: OptionValue>: Sendable {
  /// The key in the file, in lower case.
  public let key: String
  /// The value when the file does not set one.
  public let `default`: Value
  /// The value that the shipped file sets; nil leaves the line commented.
  public let shipped: Value?
  /// The unit of a bare number, such as "s".
  public let unit: String?
  /// Old names: `section.key`, or `key` of the same section.
  public let formerly: [String]
  /// Whether a change takes effect only when the daemon is started again.
  public let needsRestart: Bool
  /// What the option does, as sentences for an administrator.
  public let help: String
  /// What values are allowed beyond their kind, such as "1s to 1h"; nil when all are.
  public let allowed: String?

  private let isAllowed: @Sendable (Value) -> Bool

  /// Declares an option that takes every value of its kind.
  public init(
    _ key: String, default: Value, shipped: Value? = nil, unit: String? = nil,
    formerly: [String] = [], needsRestart: Bool = false, help: String
  ) {
    self.init(
      key: key, default: `default`, shipped: shipped, unit: unit, formerly: formerly,
      needsRestart: needsRestart, help: help, allowed: nil, isAllowed: { _ in true })
  }

  /// Declares an option whose value lies in a range.
  public init(
    _ key: String, default: Value, in range: ClosedRange<Value>, shipped: Value? = nil,
    unit: String? = nil, formerly: [String] = [], needsRestart: Bool = false, help: String
  ) where Value: Comparable {
    self.init(
      key: key, default: `default`, shipped: shipped, unit: unit, formerly: formerly,
      needsRestart: needsRestart, help: help,
      allowed: "\(range.lowerBound.text) to \(range.upperBound.text)",
      isAllowed: { range.contains($0) })
  }

  private init(
    key: String, default: Value, shipped: Value?, unit: String?, formerly: [String],
    needsRestart: Bool, help: String, allowed: String?,
    isAllowed: @escaping @Sendable (Value) -> Bool
  ) {
    self.key = key
    self.default = `default`
    self.shipped = shipped
    self.unit = unit
    self.formerly = formerly
    self.needsRestart = needsRestart
    self.help = help
    self.allowed = allowed
    self.isAllowed = isAllowed
  }

  /// Reads a value as the file has it.
  func parse(_ text: String, _ context: ParsingContext) throws(ValueError) -> Value {
    var context = context
    context.unit = unit
    let value = try Value(parsing: text, context)
    guard isAllowed(value) else {
      throw ValueError(
        "\(text.quotedForFault) is out of range: write \(allowed ?? "another value")")
    }
    return value
  }
}

/// An option whose type of value does not matter: what tables and documents need.
protocol AnyConfigOption: Sendable {
  var key: String { get }
  var unit: String? { get }
  var formerly: [String] { get }
  var needsRestart: Bool { get }
  var help: String { get }
  var allowed: String? { get }
  var kind: String { get }
  var syntax: String { get }
  var isSecret: Bool { get }
  var defaultText: String { get }
  var shippedText: String? { get }

  func resolve(_ text: String, _ context: ParsingContext) throws(ValueError) -> any OptionValue
  /// What is wrong with the declaration itself; a test asserts that nothing is.
  var faults: [String] { get }
}

extension ConfigOption: AnyConfigOption {
  var kind: String { Value.kind }
  var syntax: String { Value.syntax }
  var isSecret: Bool { Value.isSecret }
  var defaultText: String { `default`.text }
  var shippedText: String? { shipped?.text }

  func resolve(_ text: String, _ context: ParsingContext) throws(ValueError) -> any OptionValue {
    try parse(text, context)
  }

  var faults: [String] {
    var faults: [String] = []
    if key.isEmpty || key != key.lowercased() || key.contains(where: { " \t=:#;[]".contains($0) }) {
      faults.append("\(key): the key is not a word in lower case")
    }
    if help.isEmpty { faults.append("\(key): the help is missing") }
    for value in [`default`, shipped].compactMap(\.self) {
      let text = value.text
      if text.contains(where: \.isNewline) { faults.append("\(key): '\(text)' has a line end") }
      let isSame = (try? parse(text, ParsingContext())).map { $0 == value } ?? false
      if !isSame { faults.append("\(key): '\(text)' does not read back as the same value") }
    }
    return faults
  }
}
