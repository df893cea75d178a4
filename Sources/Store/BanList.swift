// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Who is banned, in memory for the mail path and in the database for the next start.
package final class BanList: Sendable {
  private let store: StateStore

  package init(_ store: StateStore) { self.store = store }
}
