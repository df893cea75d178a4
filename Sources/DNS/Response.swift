// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing

/// What is known of a question.
package struct Response: Sendable, Equatable {
  /// The five kinds of result. The first three are what the domain says; the last two say nothing
  /// about it.
  package enum Outcome: Sendable, Equatable {
    /// The records asked for, at least one, all of the type asked.
    case answer([RecordData])
    /// The name exists, but not with this type.
    case noData
    /// There is no such name (NXDOMAIN).
    case nonexistent
    /// No answer could be had; a later try may have one.
    case temporary(Cause)
    /// The answer failed DNSSEC validation; the text is the validator's.
    case bogus(String)
  }

  /// Why no answer could be had.
  package enum Cause: Sendable, Hashable {
    /// No server answered in the time for one query.
    case timeout
    /// The time of the whole message or stage is used up.
    case deadline
    /// The servers did not answer before and are not asked again yet.
    case serversDown
    /// The server said so, by a code other than NOERROR and NXDOMAIN (RFC 1035 §4.1.1).
    case serverFailure(code: UInt8)
    /// Names pointed to other names too often, or in a circle.
    case aliasLoop
    /// What came back is no answer to the question.
    case malformed(String)
    /// The resolver has more to do than it can hold, or does not run.
    case unavailable(String)
  }

  /// What DNSSEC says of the answer (RFC 4035 §4.3).
  package enum Security: String, Sendable {
    /// Nobody validated.
    case unchecked
    /// Validated as unsigned.
    case insecure
    /// Validated as signed.
    case secure
  }

  package var outcome: Outcome
  /// The names that the question's name is an alias for, in order.
  package var aliases: [DomainName]
  /// For how many seconds from now the answer holds.
  package var timeToLive: UInt32
  package var security: Security
  /// Whether it was known without asking anybody.
  package var isFromCache = false

  package init(
    _ outcome: Outcome, aliases: [DomainName] = [], timeToLive: UInt32 = 0,
    security: Security = .unchecked
  ) {
    self.outcome = outcome
    self.aliases = aliases
    self.timeToLive = timeToLive
    self.security = security
  }
}

extension Response {
  /// The records; none unless there is an answer.
  package var records: [RecordData] {
    if case .answer(let records) = outcome { records } else { [] }
  }

  /// The addresses of an A or AAAA answer.
  package var addresses: [IPAddress] {
    records.compactMap { if case .address(let address) = $0 { address } else { nil } }
  }

  /// The names of an NS, CNAME or PTR answer.
  package var names: [DomainName] {
    records.compactMap { if case .name(let name) = $0 { name } else { nil } }
  }

  /// The exchanges of an MX answer, the most preferred first.
  package var exchanges: [MailExchange] {
    records.compactMap { if case .exchange(let exchange) = $0 { exchange } else { nil } }
      .sorted { $0.preference < $1.preference }
  }

  /// The texts of a TXT answer.
  package var texts: [[UInt8]] {
    records.compactMap { if case .text(let text) = $0 { text } else { nil } }
  }

  /// The record of an SOA answer.
  package var authority: StartOfAuthority? {
    for case .authority(let soa) in records { return soa }
    return nil
  }

  /// Whether the domain has nothing to say: no data, or no such name.
  package var isVoid: Bool { outcome == .noData || outcome == .nonexistent }

  /// For how many seconds the answer may be used without asking again: never longer than a day, that
  /// there is nothing never longer than an hour, and a failure not at all.
  package var usableTime: UInt32 {
    guard !isFailure else { return 0 }
    return min(timeToLive, isVoid ? Self.longestNegative : Self.longest)
  }
  private static let longest: UInt32 = 86_400
  private static let longestNegative: UInt32 = 3_600

  /// Whether nothing is known: a temporary failure, or an answer that must not be believed.
  package var isFailure: Bool {
    switch outcome {
    case .answer, .noData, .nonexistent: false
    case .temporary, .bogus: true
    }
  }
}

extension Response.Outcome {
  /// The kind of result in a word or two, for logs: `answer`, `no data`, `NXDOMAIN`, `SERVFAIL` ...
  package var word: String {
    switch self {
    case .answer: "answer"
    case .noData: "no data"
    case .nonexistent: "NXDOMAIN"
    case .temporary(let cause): "\(cause)"
    case .bogus: "bogus"
    }
  }
}

extension Response.Cause: CustomStringConvertible {
  /// In a few words, for logs.
  package var description: String {
    switch self {
    case .timeout: "timeout"
    case .deadline: "out of time"
    case .serversDown: "servers down"
    case .serverFailure(let code): Self.names[code] ?? "error \(code)"
    case .aliasLoop: "alias loop"
    case .malformed(let what): "malformed answer: \(what)"
    case .unavailable(let why): "unavailable: \(why)"
    }
  }

  /// RFC 1035 §4.1.1.
  private static let names: [UInt8: String] = [
    1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED",
  ]
}
