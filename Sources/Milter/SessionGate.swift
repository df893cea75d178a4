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
    /// Messages between MAIL and their end.
    public var messages = 0
    /// Sessions turned away since the start.
    public var turnedAway = 0
    /// Whether the daemon drains.
    public var isDraining = false
  }

  /// Why a session or a message is not let in; both are answered 451 4.3.2.
  public enum Refusal: Sendable, Equatable {
    /// As many sessions as allowed are open.
    case full
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
        return state.counts.isDraining ? .draining : .full
      }
      state.counts.sessions += 1
      return nil
    }
  }

  func sessionEnded() { state.withLock { $0.counts.sessions -= 1 } }

  func admitMessage() -> Refusal? {
    state.withLock { state in
      if state.counts.isDraining { return .draining }
      state.counts.messages += 1
      return nil
    }
  }

  func messageEnded() { state.withLock { $0.counts.messages -= 1 } }
}
