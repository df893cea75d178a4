// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Environment
package import Policy
package import Store

/// What the daemon remembers: opened once at start, shared by every configuration that a reload
/// brings.
package struct Memory: Sendable {
  /// The database, when a section of the file asks for one.
  package let store: StateStore?
  package let trail: any DecisionTrail

  /// Without any memory, as `check` and `try` work.
  package static let none = Memory(store: nil, trail: MemoryTrail(capacity: 0))

  package init(store: StateStore?, trail: any DecisionTrail) {
    self.store = store
    self.trail = trail
  }

  /// Opens what the configuration asks for: the database when `[store]` stands in the file.
  package static func open(
    _ configuration: Configuration, time: any TimeSource
  ) throws(StoreTrouble) -> Memory {
    let options = configuration.settings(StoreOptions.self)
    let store = options.isPresent ? try StateStore(path: options.path.path, time: time) : nil
    return Memory(store: store, trail: MemoryTrail(capacity: 0))
  }
}
