// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Mail

/// Modules that shall neither act nor have acted, because somebody let the client or sender in.
///
/// Given by `Transaction.allow`. Unlike a module's `accept` it also ends what earlier stages hold,
/// can name modules, and can wait for a proof.
package struct Allowance: Sendable, Equatable {
  /// The modules' section names; empty for all that can refuse and do not protect.
  package let modules: Set<String>
  /// The domain, in lower case, that must be proved first; nil when nothing need be.
  package let provenDomain: MailText?

  package init(modules: Set<String> = [], provenDomain: MailText? = nil) {
    self.modules = modules
    self.provenDomain = provenDomain
  }
}

extension Transaction {
  /// Whether an allowance that is in force ends this module.
  func isAllowedPast(_ module: ConfiguredModule) -> Bool {
    guard module.canBeAllowedPast else { return false }
    if connection.allowances.isEmpty, allowances.isEmpty { return false }
    return (connection.allowances + allowances).contains { allowance in
      guard allowance.modules.isEmpty || allowance.modules.contains(module.name) else {
        return false
      }
      guard let domain = allowance.provenDomain else { return true }
      return self[ProvenDomainsFact.self]?.contains(domain) ?? false
    }
  }
}
