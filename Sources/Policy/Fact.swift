// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// A typed note that one module leaves for those after it, for example the connection class.
///
/// The type is the key, so a fact can be looked up only by a module that can name it; a module's
/// own state for a message is a fact with a private key.
@usableFromInline package protocol Fact {
  associatedtype Value: Sendable
}

/// How much the client of a connection misbehaved; a later module bans on it.
///
/// Added by `Transaction.addDemerits`; lives as long as the connection.
package enum DemeritsFact: Fact {
  package typealias Value = Int
}

/// Why the client shall be banned at once, whatever its demerits.
///
/// Set by `Transaction.ban`; lives as long as the connection.
package enum BanRequestFact: Fact {
  package typealias Value = String
}

/// Domains of which it is proved that the message comes from them, in lower case: by SPF from MAIL
/// on, by DKIM from the end of message on. Each module that proves one adds to it.
package enum ProvenDomainsFact: Fact {
  // One or a few: looking through them costs less than a set of them.
  package typealias Value = [MailText]
}

/// The value of a fact, in a box of the value's type: to find out that type costs more than all else
/// that is done with a fact.
@usableFromInline package class FactBox {}

/// A box for values of one type.
@usableFromInline package final class TypedFactBox<Value: Sendable>: FactBox {
  @usableFromInline let value: Value

  @usableFromInline package init(_ value: Value) { self.value = value }
}

/// Facts that live equally long: as the connection, until the next HELO, or as the message.
struct FactStore {
  // A handful, asked for dozens of times a message: walking along costs less than a hash.
  private var facts: [(key: ObjectIdentifier, box: FactBox)] = []

  /// The value of a fact's type.
  subscript(_ key: ObjectIdentifier) -> FactBox? {
    get {
      // Only the box that is asked for is retained.
      for index in facts.indices where facts[index].key == key { return facts[index].box }
      return nil
    }
    set {
      let index = facts.firstIndex { $0.key == key }
      switch (index, newValue) {
      case (let index?, let box?): facts[index].box = box
      case (let index?, nil): facts.remove(at: index)
      case (nil, let box?):
        if facts.isEmpty { facts.reserveCapacity(Self.usualCount) }
        facts.append((key, box))
      case (nil, nil): break
      }
    }
  }

  /// So many facts find room at once.
  private static let usualCount = 12

  subscript<F: Fact>(_ fact: F.Type) -> F.Value? {
    get { (self[ObjectIdentifier(fact)] as? TypedFactBox<F.Value>)?.value }
    set { self[ObjectIdentifier(fact)] = newValue.map { TypedFactBox($0) } }
  }
}
