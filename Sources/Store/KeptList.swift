// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A list in memory for the mail path, and in the database for the next start, as whoever takes care
/// of it sees it.
package protocol ListCare: Sendable {
  /// How many entries there are, expired ones included until they are purged.
  var count: Int { get }
  /// Changes that are not in the database yet.
  var pendingCount: Int { get }
  /// What keeps the table from being read; nil when it was.
  var loadTrouble: StoreTrouble? { get }

  /// Forgets entries that expired.
  ///
  /// - Returns: how many.
  @discardableResult
  func purge() -> Int
  /// Takes what stands in a database that came in the place of the one before; what was not written
  /// yet stays.
  func reload() throws(StoreTrouble)
  /// Lets the next `flush` write everything, into a database that has nothing yet.
  func rewrite()
  /// Writes what is not in the database yet, waiting for each turn no longer than `limit`; what fails
  /// is written by a later call.
  func flush(within limit: Duration) throws(StoreTrouble)
}

/// A list of entries of one kind, which says what the mail path asks of it.
package protocol KeptList: ListCare {
  /// The entries, whatever they are.
  var care: any ListCare { get }
}

extension KeptList {
  package var count: Int { care.count }
  package var pendingCount: Int { care.pendingCount }
  package var loadTrouble: StoreTrouble? { care.loadTrouble }
  @discardableResult
  package func purge() -> Int { care.purge() }
  package func reload() throws(StoreTrouble) { try care.reload() }
  package func rewrite() { care.rewrite() }
  package func flush(within limit: Duration) throws(StoreTrouble) {
    try care.flush(within: limit)
  }
}
