// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The shapes of host names that access providers use, matched without backtracking.
enum NameShape {
  /// Stands in a name for the number that equals the last octet of the address.
  static let marker: UInt8 = 1

  /// One step of a shape. A number is a whole run of digits.
  enum Step {
    case text(String)
    case number(ClosedRange<Int>)
    case hex(Int)
    case letters(Int)
    case marker
    /// Anything within the label, up to a marker at its end.
    case labelEndingInMarker
  }

  /// A row of steps, with what the first of them asks of the first byte.
  struct Shape: ExpressibleByArrayLiteral {
    fileprivate enum First {
      case byte(UInt8)
      case hexDigit
    }

    let steps: [Step]
    fileprivate let first: First

    /// A shape of these steps; the first is a text or hexadecimal digits.
    init(arrayLiteral steps: Step...) {
      self.steps = steps
      first =
        if case .text(let text) = steps.first, let byte = text.utf8.first {
          .byte(byte)
        } else {
          .hexDigit
        }
    }
  }

  /// Shapes that may stand anywhere in the name. Names are in lower case.
  ///
  /// Where the number of digits before a fixed text does not matter, one digit is enough: a search
  /// finds the last of them.
  static let shapes: [Shape] = [
    [.text("h"), .hex(12), .text(".")],
    [
      .text("h"), .number(1...255), .text("n"), .number(1...255), .text("c"), .number(1...255),
      .text("o"), .number(1...255), .text("."),
    ],
    [.text("pcp"), .number(6...10), .text("pcs.")],
    [.text("no-reverse")],
    [.text("s"), .hex(16), .text("."), .letters(2), .text(".")],
    [.text("user"), .marker, .text(".")],
    [.text("cust"), .marker, .text(".")],
    [.text("ppp"), .labelEndingInMarker, .text(".")],
    [.text("-ppp"), .number(1...255), .text(".")],
    [.hex(1), .text("-"), .marker, .text(".")],
    [.text("p"), .marker, .text(".pool")],
    [.text("h"), .marker, .text(".")],
    [.text("xdsl-"), .number(1...255), .text(".")],
    [.text("-"), .number(1...255), .text("-"), .number(1...255), .text(".")],
    [.text(".adsl.")],
    [.text(".cable.")],
  ]

  /// Whether the name has one of the shapes, as it is or with the number at `range`, the one that
  /// equals the last octet, replaced by the marker.
  static func fits(_ host: [UInt8], marking range: Range<Int>?) -> Bool {
    if fits(host) { return true }
    guard let range else { return false }
    let marked = Array(
      host.prefix(range.lowerBound) + [marker] + host.dropFirst(range.upperBound))
    return marked.starts(with: [marker, UInt8(ascii: ".")]) || fits(marked)
  }

  private static func fits(_ host: [UInt8]) -> Bool {
    for (start, byte) in host.enumerated() {
      for shape in shapesByFirst[Int(byte)] where shape.matches(host[start...]) { return true }
    }
    return false
  }

  /// For each byte the shapes that may begin with it: for most there is none.
  private static let shapesByFirst = (0...UInt8.max).map { byte in
    shapes.filter { $0.mayBegin(with: byte) }
  }
}

extension NameShape.Shape {
  fileprivate func matches(_ name: ArraySlice<UInt8>) -> Bool {
    var rest = name
    for step in steps {
      guard let next = Self.advance(rest, over: step) else { return false }
      rest = next
    }
    return true
  }

  /// Whether a name that begins with this byte can match.
  fileprivate func mayBegin(with byte: UInt8) -> Bool {
    switch first {
    case .byte(let first): first == byte
    case .hexDigit: byte.isHexDigit
    }
  }

  /// What is left of `name` after the step, or nil when it does not match.
  private static func advance(
    _ name: ArraySlice<UInt8>, over step: NameShape.Step
  ) -> ArraySlice<UInt8>? {
    switch step {
    case .text(let text):
      return name.starts(with: text.utf8) ? name.dropFirst(text.utf8.count) : nil
    case .number(let counts):
      let run = name.prefix { $0.isDigit }
      return counts.contains(run.count) ? name.dropFirst(run.count) : nil
    case .hex(let count):
      let run = name.prefix(count)
      return run.count == count && run.allSatisfy { $0.isHexDigit } ? name.dropFirst(count) : nil
    case .letters(let count):
      let run = name.prefix(count)
      return run.count == count && run.allSatisfy { $0.isLetter } ? name.dropFirst(count) : nil
    case .marker:
      return name.first == NameShape.marker ? name.dropFirst() : nil
    case .labelEndingInMarker:
      let label = name.prefix { $0 != UInt8(ascii: ".") }
      return label.last == NameShape.marker ? name.dropFirst(label.count) : nil
    }
  }
}
