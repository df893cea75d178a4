// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Remembers values until there are too many, then forgets those not asked for of late.
///
/// Two generations of half the capacity each: what is used moves to the younger one, and when that
/// is full, the older one is dropped. So every operation takes the same short time, however full
/// the cache is.
///
/// Usable from inlined code, so that the types of key and value are known in other modules, which ask
/// with every message.
@usableFromInline package struct BoundedCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  @usableFromInline struct Entry: Sendable {
    @usableFromInline var value: Value
    @usableFromInline var cost: Int

    @usableFromInline init(_ value: Value, _ cost: Int) {
      self.value = value
      self.cost = cost
    }
  }

  @usableFromInline var young: [Key: Entry] = [:]
  @usableFromInline var old: [Key: Entry] = [:]
  @usableFromInline var youngCost = 0
  @usableFromInline let halfCapacity: Int

  /// - Parameter capacity: the sum of the costs of all values that it may hold.
  package init(capacity: Int) { halfCapacity = max(0, capacity) / 2 }

  /// How many values there are.
  package var count: Int { young.count + old.count }

  /// The value last inserted for `key`, unless it was forgotten.
  @inlinable package mutating func value(for key: Key) -> Value? {
    if let entry = young[key] { return entry.value }
    guard let entry = old.removeValue(forKey: key) else { return nil }
    insert(entry.value, for: key, cost: entry.cost)
    return entry.value
  }

  /// Keeps `value`, in place of what was kept for `key`.
  ///
  /// A value that costs more than half the capacity is not kept.
  @inlinable package mutating func insert(_ value: Value, for key: Key, cost: Int) {
    remove(key)
    guard cost <= halfCapacity else { return }
    if youngCost + cost > halfCapacity {
      old = young
      young = [:]
      youngCost = 0
    }
    young[key] = Entry(value, cost)
    youngCost += cost
  }

  /// Forgets what is kept for `key`.
  @inlinable package mutating func remove(_ key: Key) {
    if let entry = young.removeValue(forKey: key) { youngCost -= entry.cost }
    old.removeValue(forKey: key)
  }

  /// Forgets everything.
  package mutating func removeAll() {
    young = [:]
    old = [:]
    youngCost = 0
  }
}
