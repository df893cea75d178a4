// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Policy

/// A message that somebody released from the quarantine, and that passes as it is.
package struct ReleasedMail: Sendable, Equatable {
  /// The original's reference.
  package let reference: String
  /// `original`, `attached` or `part 1.2`.
  package let form: String
  /// Who released it, and why.
  package let caller: String
  package let reason: String
  /// `incoming` or `outgoing`, as the original was; empty where that is not known any more.
  package let direction: String
}

/// That the message is released. Set at end of message, together with the original's
/// `ClientClassFact`; modules that judge or change content leave such a message alone.
package enum ReleasedFact: Fact {
  package typealias Value = ReleasedMail
}

extension ClientClass {
  /// The class that `words` tells of, with the names of this one; nil when they are not such words.
  func restored(from words: String) -> ClientClass? {
    let words = words.split(separator: " ").map(String.init)
    let names = words.compactMap { word in
      word.hasPrefix("ptr=") ? ReverseName(rawValue: String(word.dropFirst(4))) : nil
    }
    guard let origin = words.first, origin == "internal" || origin == "external",
      let reverseName = names.first
    else { return nil }
    var restored = self
    restored.isInternal = origin == "internal"
    restored.isTrusted = words.contains("trusted")
    restored.isLoopback = words.contains("loopback")
    restored.isAuthenticated = words.contains("authenticated")
    restored.reverseName = reverseName
    return restored
  }
}
