// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail
internal import Policy
package import SPF

/// What SPF says of a message, officially and by our own lights.
package struct SenderAuthentication: Sendable, Equatable {
  /// Why `effective` is not `official`.
  package enum Basis: String, Sendable {
    /// It is.
    case official
    /// The record is faulty, but read laxly it says this.
    case lax
    /// A guessed record.
    case guess
    /// The domain's record stands below `delegate`.
    case delegate
    /// SPF passes the HELO name, which is of the sender's domain.
    case helo
    /// The client is a trusted forwarder's.
    case forwarder
  }

  /// The result of RFC 7208 for the reverse-path or, for bounces, the HELO name; nil where nobody
  /// asked, since the client is a trusted forwarder's.
  package var official: SPFResult?
  /// The identity that was checked.
  package var identity: SPFQuery.Identity
  /// The domain that was checked; nil where there is none.
  package var domain: MailText?
  /// What policy goes by.
  package var effective: SPFResult
  package var basis = Basis.official
  /// The result of the HELO name, where it was checked on its own.
  package var helo: SPFResult?
  /// What a guessed record says of the HELO name, where it has none.
  package var helloGuess: SPFResult?

  /// For people: `pass`, `none (guess: pass), helo pass`.
  package var words: String {
    var words = ""
    words.reserveCapacity(80)
    words += official?.rawValue ?? "not checked"
    words += " for "
    words += identity.rawValue
    words += " "
    words += domain?.description ?? ""
    if basis != .official { words += ", by \(basis.rawValue) \(effective.rawValue)" }
    if let helo { words += ", helo \(helo.rawValue)" }
    if let helloGuess { words += " (guess: \(helloGuess.rawValue))" }
    return words
  }
}

/// What SPF says. Set at MAIL or at the first recipient; for mail of a trusted relay at its end.
package enum SPFFact: Fact {
  package typealias Value = SenderAuthentication
}

/// The sender should be verified by a call-back (CBV) or a notification (DSN), and why. Nobody does
/// that yet: greylisting makes no exception for such mail.
package enum CallBackFact: Fact {
  /// `CBV softfail`
  package typealias Value = String
}

/// Results for Authentication-Results, in the order in which the modules found them.
package enum ResultsFact: Fact {
  package typealias Value = [AuthenticationResults.Entry]
}

extension Transaction {
  /// Leaves results for Authentication-Results.
  func report(_ entries: [AuthenticationResults.Entry]) {
    guard let known = self[ResultsFact.self] else {
      self[ResultsFact.self] = entries
      return
    }
    self[ResultsFact.self] = known + entries
  }

  /// Takes note that `domain`, a key, is proved to send the message.
  func prove(_ domain: MailText) {
    guard let proven = self[ProvenDomainsFact.self] else {
      self[ProvenDomainsFact.self] = [domain]
      return
    }
    if !proven.contains(domain) { self[ProvenDomainsFact.self] = proven + [domain] }
  }
}
