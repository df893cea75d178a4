// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// Who is let through, in memory for the mail path and in the database for the next start.
package final class AllowList: Sendable {
  private let store: StateStore

  package init(_ store: StateStore) { self.store = store }
}
