// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Addressing

/// A list of texts, separated by commas.
public struct TextList: Sendable, Hashable {
  /// The items, without white space around them; none is empty.
  public let items: [String]

  /// The list of these items; white space around them and empty ones are dropped.
  public init(_ items: some Sequence<String>) {
    self.items = items.map(\.trimmed).filter { !$0.isEmpty }
  }
}

extension TextList: ExpressibleByArrayLiteral {
  /// The list of these items.
  public init(arrayLiteral elements: String...) { self.init(elements) }
}

extension TextList: RandomAccessCollection {
  /// The place of the first item.
  public var startIndex: Int { items.startIndex }
  /// The place after the last item.
  public var endIndex: Int { items.endIndex }
  /// The item at a place that the list has.
  public subscript(position: Int) -> String { items[position] }
}

extension TextList: OptionValue {
  /// The name of the kind.
  public static var kind: String { "list" }
  /// How a list is written.
  public static var syntax: String { "Items separated by commas; blank is the empty list." }

  /// Splits at commas; blank is the empty list.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    items = text.listItems
  }

  /// The items with comma and space between them.
  public var text: String { items.joined(separator: ", ") }
}

/// A list of addresses, networks and globs as an option.
public struct Networks: Sendable, Equatable {
  /// The list, which answers whether it holds an address.
  public let list: NetworkList

  /// Wraps the list.
  public init(_ list: NetworkList) { self.list = list }

  /// Whether the list has no item.
  public var isEmpty: Bool { list.isEmpty }

  /// Whether an item matches the address.
  public func contains(_ address: IPAddress) -> Bool { list.contains(address) }
}

extension Networks: ExpressibleByArrayLiteral {
  /// The list of these blocks; a text that is no address or block is left out, so use it for
  /// defaults only, where the table's check finds the loss.
  public init(arrayLiteral elements: String...) {
    list = NetworkList(elements.compactMap { IPNetwork($0) })
  }
}

extension Networks: OptionValue {
  /// The name of the kind.
  public static var kind: String { "IP list" }
  /// How the list is written.
  public static var syntax: String {
    "Addresses (192.0.2.1), networks (192.0.2.0/24, 2001:db8::/32) and globs on the text of an "
      + "address (127.*), separated by commas. Host names are not supported."
  }

  /// Reads a comma-separated list.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    do {
      list = try NetworkList(items: text.listItems)
    } catch {
      throw ValueError(error.description)
    }
  }

  /// The items in canonical form.
  public var text: String { list.items.joined(separator: ", ") }
}

/// A list of TCP ports.
public struct PortList: Sendable, Hashable {
  /// The ports, 1 to 65535 each.
  public let ports: [UInt16]

  /// The list of these ports.
  public init(_ ports: some Sequence<UInt16>) { self.ports = ports.filter { $0 > 0 } }

  /// Whether the list has no port.
  public var isEmpty: Bool { ports.isEmpty }

  /// Whether `port` is in the list.
  public func contains(_ port: Int) -> Bool { ports.contains { Int($0) == port } }
}

extension PortList: ExpressibleByArrayLiteral {
  /// The list of these ports.
  public init(arrayLiteral elements: UInt16...) { self.init(elements) }
}

extension PortList: OptionValue {
  /// The name of the kind.
  public static var kind: String { "port list" }
  /// How ports are written.
  public static var syntax: String { "TCP port numbers from 1 to 65535, separated by commas." }

  /// Reads a comma-separated list of numbers.
  public init(parsing text: String, _ context: ParsingContext) throws(ValueError) {
    var ports: [UInt16] = []
    for item in text.listItems {
      guard item.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(item), port > 0
      else {
        throw ValueError(
          "\(item.quotedForFault) is not a port: write numbers from 1 to 65535, with commas between"
        )
      }
      ports.append(port)
    }
    self.ports = ports
  }

  /// The ports with comma and space between them.
  public var text: String { ports.map { String($0) }.joined(separator: ", ") }
}
