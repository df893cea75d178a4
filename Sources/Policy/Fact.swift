// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

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

/// Why the client shall be banned at once, whatever its demerits.
///
/// Set by `Transaction.ban`; lives as long as the connection.
package enum BanRequestFact: Fact {
  package typealias Value = String
}

/// Domains of which it is proved that the message comes from them, in lower case: by SPF from MAIL
/// on, by DKIM from the end of message on. Each module that proves one adds to it.
package enum ProvenDomainsFact: Fact {
  package typealias Value = Set<MailText>
}

/// Facts that live equally long: as the connection, until the next HELO, or as the message.
struct FactStore {
  // A handful, asked for dozens of times a message: walking along costs less than a hash. The keys
  // stand apart, so that only the value that is asked for is copied.
  private var keys: [ObjectIdentifier] = []
  private var values: [any Sendable] = []

  /// The value of a fact's type.
  subscript(_ key: ObjectIdentifier) -> (any Sendable)? {
    get { keys.firstIndex(of: key).map { values[$0] } }
    set {
      let index = keys.firstIndex(of: key)
      switch (index, newValue) {
      case (let index?, let value?): values[index] = value
      case (let index?, nil):
        keys.remove(at: index)
        values.remove(at: index)
      case (nil, let value?):
        keys.append(key)
        values.append(value)
      case (nil, nil): break
      }
    }
  }

  subscript<F: Fact>(_ fact: F.Type) -> F.Value? {
    get { self[ObjectIdentifier(fact)] as? F.Value }
    set { self[ObjectIdentifier(fact)] = newValue }
  }
}
