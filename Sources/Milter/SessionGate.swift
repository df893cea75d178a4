// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Synchronization

/// Counts sessions and messages, and decides whether a new one is let in.
///
/// libmilter has no limit of its own: it spins when descriptors run out and forgets sessions when
/// threads do, so sessions over `maximumSessions` are turned away before that. While the daemon
/// drains, running messages finish and nothing new begins.
public final class SessionGate: Sendable {
  /// The counts at one moment.
  public struct Counts: Sendable, Equatable {
    /// Open sessions, without those turned away.
    public var sessions = 0
    /// Messages that have a recipient and have not ended.
    public var messages = 0
    /// Sessions turned away since the start.
    public var turnedAway = 0
    /// Sessions turned away whose MTA has not hung up yet: they hold a descriptor each.
    public var lingering = 0
    /// Whether the daemon drains.
    public var isDraining = false
  }

  /// Why a session or a message is not let in; both are answered 451 4.3.2.
  public enum Refusal: String, Sendable, Equatable {
    /// As many sessions as allowed are open.
    case full = "too-many-sessions"
    /// The daemon is stopping.
    case draining

    /// The answer; never a 5yz, since the trouble is ours.
    public var reply: SMTPReply {
      switch self {
      case .full: .transient(3, 2, "Too many connections, please try again later")
      case .draining: .transient(3, 2, "Service is restarting, please try again later")
      }
    }
  }

  /// How many sessions that were turned away may linger; the next one is hung up on. The limit of
  /// descriptors must have room for these beside the sessions let in.
  public static let maximumLingering = 64

  private struct State: Sendable {
    var counts = Counts()
    var limit: Int
  }
  private let state: Mutex<State>

  /// A gate that lets in `maximumSessions` sessions at once.
  public init(maximumSessions: Int) {
    state = Mutex(State(limit: max(maximumSessions, 1)))
  }

  /// The counts now.
  public var counts: Counts { state.withLock { $0.counts } }

  /// Changes the limit for sessions to come.
  public func setMaximumSessions(_ limit: Int) { state.withLock { $0.limit = max(limit, 1) } }

  /// From now on no session and no message is let in.
  public func beginDraining() { state.withLock { $0.counts.isDraining = true } }

  func admitSession() -> Refusal? {
    state.withLock { state in
      if state.counts.isDraining || state.counts.sessions >= state.limit {
        state.counts.turnedAway += 1
        state.counts.lingering += 1
        return state.counts.isDraining ? .draining : .full
      }
      state.counts.sessions += 1
      return nil
    }
  }

  func sessionEnded(wasTurnedAway: Bool) {
    state.withLock { state in
      if wasTurnedAway { state.counts.lingering -= 1 } else { state.counts.sessions -= 1 }
    }
  }

  /// Whether so many sessions linger after they were turned away that politeness must end.
  var isOverrun: Bool { state.withLock { $0.counts.lingering > Self.maximumLingering } }

  func admitMessage() -> Refusal? {
    state.withLock { $0.counts.isDraining ? .draining : nil }
  }

  /// The MTA names a recipient for the message: from now on a drain waits for it. One step with the
  /// question whether it may, or a drain could begin in between and not know of it.
  func messageBegins() -> Refusal? {
    state.withLock { state in
      if state.counts.isDraining { return .draining }
      state.counts.messages += 1
      return nil
    }
  }

  func messageEnded() { state.withLock { $0.counts.messages -= 1 } }
}
