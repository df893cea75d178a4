// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail
internal import Synchronization

/// What was collected of a message.
package enum MessageContent: Sendable {
  /// Header fields as they came, an empty line, the body; lines of the header end in CRLF.
  case whole([UInt8])
  /// The message is larger than `Services.contentLimit` and streamed past.
  case tooLarge
  /// All messages that are coming in are together larger than `Services.contentRoom`.
  case noRoom
}

/// Wants the whole message at its end, as `Transaction.content`.
package protocol ContentStage: MessageStage {
  /// Whether this message is wanted; asked once, when its recipients are known. Collecting costs a
  /// copy, so a module says no to what it will not look at.
  func wantsContent(_ t: Transaction) -> Bool
}

/// Why a message is kept as it came.
package struct KeptOriginal: Sendable {
  /// A part that the message goes on without.
  package struct Part: Sendable, Equatable {
    /// Its place in the original: `2.1`; `2r1` of a part 2 that only a first cut made.
    package var number: String
    /// The name by which it was dangerous, or the first that it has; may hold anything.
    package var name: String
    /// Its media type.
    package var type: String
    /// Its content, decoded.
    package var content: [UInt8]

    package init(number: String, name: String, type: String, content: [UInt8]) {
      self.number = number
      self.name = name
      self.type = type
      self.content = content
    }
  }

  /// Why.
  package var reason: Reason
  /// What was taken out; empty where the message as a whole goes away.
  package var removed: [Part]

  package init(_ reason: Reason, removed: [Part] = []) {
    self.reason = reason
    self.removed = removed
  }
}

/// Keeps messages as they came.
package protocol OriginalKeeper: Sendable {
  /// Keeps `message` so that it survives a crash of the machine, at the latest by `t.deadline`.
  ///
  /// - Throws: why it cannot be kept, in words; then nothing of it is left.
  func keep(_ message: [UInt8], _ original: KeptOriginal, of t: Transaction) throws

  /// Forgets what was kept of `t`, whose MTA was told to take nothing: its sender tries again, and
  /// every attempt would leave a copy.
  ///
  /// - Throws: why a copy may be left, in words.
  func forget(_ t: Transaction) throws
}

/// Keeps nothing: for trials, which leave no trace.
package struct ForgetfulKeeper: OriginalKeeper {
  package init() {}
  package func keep(_ message: [UInt8], _ original: KeptOriginal, of t: Transaction) {}
  package func forget(_ t: Transaction) {}
}

/// Puts the pieces of one message together.
final class ContentCollector {
  private var bytes: [UInt8]
  /// Why it is not collected any more.
  private var excess: MessageContent?
  private var taken = 0
  private var isInBody = false
  private let limit: Int
  private let pool: BufferPool

  init(limit: Int, _ pool: BufferPool) {
    self.limit = limit
    self.pool = pool
    bytes = pool.take()
  }

  func add(_ field: HeaderField) {
    guard makeRoom(field.name.bytes.count &+ field.rawValue.bytes.count &+ 3) else { return }
    bytes += field.name.bytes
    bytes.append(0x3A)
    let value = field.rawValue.bytes
    if value.contains(0x0A) {
      // The protocol ends the lines of a folded field with LF.
      var last: UInt8 = 0
      for byte in value {
        if byte == 0x0A, last != 0x0D { bytes.append(0x0D) }
        bytes.append(byte)
        last = byte
      }
    } else {
      bytes += value
    }
    bytes += [0x0D, 0x0A]
  }

  func add(_ chunk: RawSpan) {
    guard makeRoom(chunk.byteCount &+ 2) else { return }
    endHeader()
    chunk.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  /// The message, which is collected no further.
  func finish() -> MessageContent {
    if let excess { return excess }
    endHeader()
    return .whole(bytes)
  }

  /// Gives the memory back; nobody may use the message after that.
  func release() {
    pool.leave(taken)
    taken = 0
    let buffer = bytes
    // Else the pool would get a copy.
    bytes = []
    pool.give(buffer)
  }

  private func endHeader() {
    guard !isInBody else { return }
    isInBody = true
    bytes += [0x0D, 0x0A]
  }

  private func makeRoom(_ count: Int) -> Bool {
    guard excess == nil else { return false }
    if bytes.count &+ count > limit {
      excess = .tooLarge
    } else if !pool.enter(count) {
      excess = .noRoom
    } else {
      taken &+= count
      return true
    }
    bytes = []
    pool.leave(taken)
    taken = 0
    return false
  }
}

/// Buffers of messages that are done with, for those that come: most messages are small, and memory
/// that is asked for and given back for each costs more than filling it.
final class BufferPool: Sendable {
  /// At most this many are kept, of at most that size: as much as busy connections need, and no
  /// more than idle ones should cost.
  private static let most = 16
  private static let largest = 512 << 10

  private let buffers = Mutex<[[UInt8]]>([])
  /// Bytes of all messages that are coming in.
  private let collected = Atomic(0)
  private let room: Int

  init(room: Int) { self.room = room }

  /// Asks for room for so many bytes more; false when there is none.
  func enter(_ count: Int) -> Bool {
    guard collected.add(count, ordering: .relaxed).newValue > room else { return true }
    leave(count)
    return false
  }

  /// Gives room back.
  func leave(_ count: Int) { collected.subtract(count, ordering: .relaxed) }

  func take() -> [UInt8] { buffers.withLock { $0.popLast() } ?? [] }

  func give(_ buffer: consuming [UInt8]) {
    guard (1...Self.largest).contains(buffer.capacity) else { return }
    var buffer = buffer
    buffer.removeAll(keepingCapacity: true)
    buffers.withLock { if $0.count < Self.most { $0.append(buffer) } }
  }
}
