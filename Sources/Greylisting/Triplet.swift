// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What greylisting remembers a mail by: where from, whose, for whom.
public struct Triplet: Sendable, Hashable {
  /// An authenticated domain or, without one, the client's network.
  public let origin: String
  /// The folded reverse-path; empty for `<>`.
  public let sender: String
  /// The folded forward-path; `*` where the message counts, not the recipient.
  public let recipient: String

  /// A triplet of keys that are folded already.
  public init(origin: String, sender: String, recipient: String) {
    self.origin = origin
    self.sender = sender
    self.recipient = recipient
  }
}

/// The times of greylisting, in milliseconds.
public struct TripletRule: Sendable, Equatable {
  /// How long a new triplet waits.
  public var delay: Int64
  /// How long after the first attempt a retry still counts.
  public var expire: Int64
  /// How long a triplet that passed is remembered after its last mail.
  public var retain: Int64
  /// After how many passed triplets an origin waits no more; 0 is never.
  public var autoPass: Int

  /// A rule of these times.
  public init(delay: Int64, expire: Int64, retain: Int64, autoPass: Int) {
    self.delay = delay
    self.expire = expire
    self.retain = retain
    self.autoPass = autoPass
  }
}

/// What is known of a triplet after it was seen once more.
public enum TripletAnswer: Sendable, Equatable {
  /// Passes, for the `count`-th time.
  case passed(count: Int)
  /// The origin passed often enough: it need not wait.
  case originKnown
  /// Must wait; `isNew` tells a first attempt from an early retry.
  case wait(milliseconds: Int64, isNew: Bool)
}

/// Remembers triplets. One call is one statement of the database.
public protocol TripletStore: Sendable {
  /// Sees a triplet at `now` (milliseconds since 1970).
  ///
  /// `learnOnly`: nothing is deferred (observe mode), so an unseen triplet counts as passed at once.
  /// Waits for the database no longer than `limit`; throws what the database says.
  func see(
    _ triplet: Triplet, at now: Int64, by rule: TripletRule, learnOnly: Bool,
    within limit: Duration
  ) throws -> TripletAnswer
}
