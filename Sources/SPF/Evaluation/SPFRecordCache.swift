// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import DNS
internal import Synchronization

/// Keeps records as they were read, as long as DNS lets the answer live.
///
/// Only what a domain has published is kept, never that it has nothing.
package final class SPFRecordCache: Sendable {
  /// A record, or why it cannot be read.
  struct Entry: Sendable {
    let record: Result<SPFRecord, SPFSyntaxFault>
    /// About how many bytes it takes.
    let cost: Int
    /// Until when it may be used.
    var end: Duration = .zero

    init(_ text: [UInt8], isLax: Bool = false) {
      do throws(SPFSyntaxFault) {
        record = .success(try SPFRecord(text, isLax: isLax))
      } catch {
        record = .failure(error)
      }
      // A term takes ten times what it takes as text.
      cost = 200 + 10 * text.count
    }
  }

  private let entries: Mutex<BoundedCache<DomainName, Entry>>

  /// - Parameter capacity: how many bytes of memory it may take, about.
  package init(capacity: Int = 16 << 20) { entries = Mutex(BoundedCache(capacity: capacity)) }

  func record(of domain: DomainName, now: Duration) -> Entry? {
    entries.withLock { entries in
      guard let entry = entries.value(for: domain) else { return nil }
      guard now < entry.end else {
        entries.remove(domain)
        return nil
      }
      return entry
    }
  }

  func keep(_ entry: Entry, of domain: DomainName, seconds: UInt32, now: Duration) {
    guard seconds > 0 else { return }
    var entry = entry
    entry.end = now + .seconds(seconds)
    let kept = entry
    entries.withLock { $0.insert(kept, for: domain, cost: kept.cost) }
  }

  /// Forgets everything.
  package func removeAll() { entries.withLock { $0.removeAll() } }
}
