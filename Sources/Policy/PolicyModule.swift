// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Environment
package import Mail
package import Milter

/// One policy of the pipeline: its options, the facts it lives on, and a session for each
/// connection.
///
/// The value is made once for each configuration and shared by all connections, so it is immutable;
/// what it keeps for a connection stands in its session, what it keeps for a message in a fact.
package protocol PolicyModule: Sendable {
  /// The module's section of the configuration.
  associatedtype Options: Section
  /// What it keeps for one connection.
  associatedtype Session: PolicySession

  /// Facts that must be provided before; checked against the order, not used to make it.
  static var needs: [any Fact.Type] { get }
  /// Facts used if they are there (their module may be off); checked for order only.
  static var reads: [any Fact.Type] { get }
  /// Facts it leaves for later modules.
  static var provides: [any Fact.Type] { get }
  /// The kinds of change it may ask for, to be negotiated with the MTA.
  static var edits: Actions { get }
  /// Whether an earlier module's `accept` means that this one is not asked.
  static var yieldsToAccept: Bool { get }
  /// Whether it is asked also where an earlier module accepts or the allow-list ends it, because
  /// others want what it finds; its refusals are then only recorded.
  static var informs: Bool { get }
  /// Whether it is about strangers only: not asked for authenticated clients, on
  /// `submission_ports`, and for daemons named in `internal_daemon`.
  static var isForStrangersOnly: Bool { get }
  /// Whether it may refuse or defer; one that never does need not keep mail waiting while the daemon
  /// is away.
  static var canRefuse: Bool { get }
  /// Whether its refusals protect the recipient from harm, so that they also concern
  /// `always_accept`.
  static var isProtective: Bool { get }
  /// Whether it remembers in the database, so that the file must have `[store]`.
  static var needsStore: Bool { get }

  /// Stages its session conforms to but that these settings have no use for: they are negotiated
  /// away as if it did not conform.
  var idleStages: Set<Stage> { get }
  /// What each of its reason codes means, for `bmsd explain`: `Code.sentences` of its `ReasonCode`.
  static var reasons: [String: String] { get }
  /// What lets mail through that it refused or deferred.
  static var remedy: Remedy { get }

  /// Checks what the option table cannot: rules across options, files that must be readable.
  /// `bmsd check` runs it without opening a socket.
  init(_ settings: Settings<Options>, _ services: Services) throws(SetupError)
  /// What `init` found that is no error: a bad line of a list file.
  var warnings: [SetupError] { get }
  /// Brings up to date what the module knows of the outside: files and DNS. Called about once a
  /// second, on a thread of its own where it may block until `deadline`.
  func refresh(by deadline: Deadline)
  /// Takes over what the module of the configuration before knows of the outside, so that a reload
  /// forgets nothing that only DNS could tell again. Called before the first session is made.
  func takeOver(from old: Self)
  /// What is wrong with that at the moment, a sentence each, for `bmsd status`.
  var standingFaults: [String] { get }
  /// Called once for each connection, on any thread.
  func makeSession() -> Session
}

extension PolicyModule {
  package static var needs: [any Fact.Type] { [] }
  package static var reads: [any Fact.Type] { [] }
  package static var provides: [any Fact.Type] { [] }
  package static var edits: Actions { [] }
  package static var yieldsToAccept: Bool { true }
  package static var informs: Bool { false }
  package static var isForStrangersOnly: Bool { false }
  package static var canRefuse: Bool { true }
  package static var isProtective: Bool { false }
  package static var needsStore: Bool { false }
  package var warnings: [SetupError] { [] }
  package var standingFaults: [String] { [] }
  package func refresh(by deadline: Deadline) {}
  package func takeOver(from old: Self) {}
  package var idleStages: Set<Stage> { [] }
  package static var reasons: [String: String] { [:] }
  package static var remedy: Remedy { .allow }
}

/// Why a module cannot be set up; becomes a `file:line` error of `bmsd check`.
package struct SetupError: Error, Equatable {
  /// The option at fault, `section.key`, nil for the section.
  package let option: String?
  /// What is wrong and what to do.
  package let message: String

  package init(option: String? = nil, _ message: String) {
    self.option = option
    self.message = message
  }
}

/// What a module keeps for one connection; it conforms to one of the protocols below for each stage
/// it wants. Steps that no session of the pipeline wants are negotiated away.
package protocol PolicySession: AnyObject {}

/// The client connected; nothing but its address and name is known.
package protocol ConnectStage: PolicySession {
  func connect(_ t: Transaction) throws -> Verdict
}
/// HELO or EHLO; may come again, also after a message.
package protocol HelloStage: PolicySession {
  func hello(_ name: MailText, _ t: Transaction) throws -> Verdict
}
/// MAIL; the first stage of a message.
package protocol SenderStage: PolicySession {
  func sender(_ t: Transaction) throws -> Verdict
}
/// RCPT of a recipient that no held verdict refuses.
package protocol RecipientStage: PolicySession {
  func recipient(_ recipient: Recipient, _ t: Transaction) throws -> Verdict
}
/// DATA: all recipients are known. Makes DATA an answered step, which costs a round trip, while the
/// module enforces.
package protocol DataStage: PolicySession {
  func data(_ t: Transaction) throws -> Verdict
}
/// Each header field as it comes.
package protocol HeaderStage: PolicySession {
  func header(_ field: HeaderField, _ t: Transaction) throws -> Verdict
}
/// The end of the header section.
package protocol EndOfHeadersStage: PolicySession {
  func endOfHeaders(_ t: Transaction) throws -> Verdict
}
/// Each piece of the body, cut anywhere; the span lives as long as the call.
package protocol BodyStage: PolicySession {
  func body(_ chunk: RawSpan, _ t: Transaction) throws -> Verdict
}
/// The message is complete; the last place to decide and to edit.
package protocol MessageStage: PolicySession {
  func message(_ t: Transaction) throws -> Verdict
}
/// The message's fate is known, also when it was abandoned. Must not block.
package protocol FinishedStage: PolicySession {
  func finished(_ ending: TransactionRecord.Ending, _ t: Transaction)
}
