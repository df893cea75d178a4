// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail

/// The decisions of an entry that only say `proceed`, as bytes: most of them do, and a row for each
/// would cost more than all else of the entry.
///
/// Each is three numbers: the step, the microseconds it took, and twice the place of its recipient
/// among the entry's, counted from 1 (0 is none), plus 1 where a note follows: its length in bytes,
/// and these. A number has seven bits a byte, the lowest first; the highest bit says that more
/// follow (LEB128).
struct ProceedList {
  struct Item: Equatable {
    var step: Int64
    var duration: Int64
    /// From 1; 0 for none.
    var recipient: Int64
    var note: String?
  }

  private(set) var bytes: [UInt8] = []

  mutating func append(_ item: Item) {
    append(item.step)
    append(item.duration)
    append(item.recipient << 1 | (item.note == nil ? 0 : 1))
    guard let note = item.note else { return }
    let text = note.utf8.prefix(TrailEntry.Limit.field)
    append(Int64(text.count))
    bytes.append(contentsOf: text)
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
    while let step = number(), let duration = number(), let rest = number() {
      var own = Item(step: step, duration: duration, recipient: rest >> 1)
      if rest & 1 == 1 {
        guard let length = number(), (0...Int64(bytes.count - place)).contains(length) else {
          return
        }
        let end = place + Int(length)
        own.note = String(decoding: bytes[place..<end], as: UTF8.self)
        place = end
      }
      try item(own)
    }
  }
}

extension TrailDecision {
  /// Whether it says `proceed`, and maybe why, so that a `ProceedList` can hold it.
  var isPlainProceed: Bool {
    verdict == "proceed" && effect == "enforced" && duration >= 0 && reply == nil && code == nil
      && detail == nil && option == nil && place == nil
  }

  /// A decision of a `ProceedList`.
  init(_ step: TrailSteps.Step, _ item: ProceedList.Item, recipient: MailText?) {
    self.init(
      stage: step.stage, module: step.module, mode: step.mode, verdict: "proceed",
      effect: "enforced", recipient: recipient, note: item.note, duration: item.duration)
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
