// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A typed note that one module leaves for those after it, for example the connection class.
///
/// The type is the key, so a fact can be looked up only by a module that can name it; a module's
/// own state for a message is a fact with a private key.
package protocol Fact {
  associatedtype Value: Sendable
}

/// How much the client of a connection misbehaved; a later module bans on it.
///
/// Added by `Transaction.addDemerits`; lives as long as the connection.
package enum DemeritsFact: Fact {
  package typealias Value = Int
}

/// Facts that live equally long: as the connection, until the next HELO, or as the message.
struct FactStore {
  private var values: [ObjectIdentifier: any Sendable] = [:]

  subscript<F: Fact>(_ fact: F.Type) -> F.Value? {
    get { values[ObjectIdentifier(fact)] as? F.Value }
    set { values[ObjectIdentifier(fact)] = newValue }
  }
}
