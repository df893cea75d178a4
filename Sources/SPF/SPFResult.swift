// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What SPF says of a client and a domain (RFC 7208 §2.6).
package enum SPFResult: String, Sendable, CaseIterable {
  /// There is no domain to check, or it has no SPF record.
  case none
  /// The domain does not say whether the client is authorised.
  case neutral
  /// The client is authorised.
  case pass
  /// The client is not authorised.
  case fail
  /// The client is probably not authorised.
  case softfail
  /// DNS gave no answer; a later check may succeed.
  case temperror
  /// The domain's records cannot be interpreted.
  case permerror
}
