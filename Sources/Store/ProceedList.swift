// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail

/// The decisions of an entry that say nothing more than `proceed`, as bytes: most of them do, and a
/// row for each would cost more than all else of the entry.
///
/// Each is three numbers: the step, the microseconds it took, and the place of its recipient among
/// the entry's, counted from 1; 0 is none. A number has seven bits a byte, the lowest first; the
/// highest bit says that more follow (LEB128).
struct ProceedList {
  struct Item: Equatable {
    var step: Int64
    var duration: Int64
    /// From 1; 0 for none.
    var recipient: Int64
  }

  private(set) var bytes: [UInt8] = []

  mutating func append(_ item: Item) {
    append(item.step)
    append(item.duration)
    append(item.recipient)
  }

  private mutating func append(_ number: Int64) {
    var rest = UInt64(bitPattern: number)
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Hands over what the bytes say, up to where they make no sense.
  static func read(_ bytes: UnsafeRawBufferPointer, _ item: (Item) throws -> Void) rethrows {
    var place = 0
    func number() -> Int64? {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while place < bytes.count, shift < 64 {
        let byte = bytes[place]
        place += 1
        value |= UInt64(byte & 0x7F) << shift
        if byte & 0x80 == 0 { return Int64(bitPattern: value) }
        shift += 7
      }
      return nil
    }
    while let step = number(), let duration = number(), let recipient = number() {
      try item(Item(step: step, duration: duration, recipient: recipient))
    }
  }
}

extension TrailDecision {
  /// Whether a `ProceedList` can say all of it, but for the recipient.
  var isPlainProceed: Bool {
    verdict == "proceed" && effect == "enforced" && duration >= 0 && reply == nil && code == nil
      && detail == nil && option == nil && place == nil && note == nil
  }

  /// A decision of a `ProceedList`.
  init(_ step: TrailSteps.Step, duration: Int64, recipient: MailText?) {
    self.init()
    stage = step.stage
    module = step.module
    mode = step.mode
    verdict = "proceed"
    effect = "enforced"
    self.duration = duration
    self.recipient = recipient
  }
}

/// Finds recipients by their place; decisions come in the order of recipients, so that it is mostly
/// the one found last, or the next.
struct RecipientPlaces {
  private let recipients: ArraySlice<MailText>
  private var last = 0

  init(_ entry: TrailEntry) { recipients = entry.recipients.prefix(TrailEntry.Limit.recipients) }

  /// From 1; 0 for no recipient, nil for one that is not among the entry's.
  mutating func place(of recipient: MailText?) -> Int64? {
    guard let recipient else { return 0 }
    for index in [last, last + 1] where recipients.indices.contains(index) {
      guard recipients[index] == recipient else { continue }
      last = index
      return Int64(index) + 1
    }
    guard let index = recipients.firstIndex(of: recipient) else { return nil }
    last = index
    return Int64(index) + 1
  }
}
