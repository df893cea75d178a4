// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import DNS
import Testing

@Suite struct BoundedCacheTests {
  @Test func neverHoldsMoreThanItsCapacity() {
    var cache = BoundedCache<Int, Int>(capacity: 100)
    for key in 0..<10_000 {
      cache.insert(key, for: key, cost: 1)
      #expect(cache.count <= 100)
    }
    #expect(cache.value(for: 9_999) == 9_999)
    #expect(cache.value(for: 0) == nil)
  }

  @Test func keepsWhatIsUsed() {
    var cache = BoundedCache<Int, Int>(capacity: 100)
    cache.insert(-1, for: -1, cost: 1)
    for key in 0..<1_000 {
      cache.insert(key, for: key, cost: 1)
      #expect(cache.value(for: -1) == -1)
    }
  }

  @Test func countsWhatValuesCost() {
    var cache = BoundedCache<String, Int>(capacity: 100)
    cache.insert(1, for: "too large", cost: 51)
    #expect(cache.value(for: "too large") == nil)
    cache.insert(1, for: "large", cost: 50)
    cache.insert(2, for: "large", cost: 1)
    #expect(cache.value(for: "large") == 2)
    #expect(cache.count == 1)
    cache.remove("large")
    #expect(cache.count == 0)
    cache.insert(3, for: "x", cost: 1)
    cache.removeAll()
    #expect(cache.value(for: "x") == nil)
  }
}
