// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Policies
package import Policy

/// The order of policy, first to last, at every stage. `bmsd pipeline` prints it by stage; a test
/// proves that no module needs a fact before it is provided.
package let pipeline: [any PolicyModule.Type] = [
  ConnectionClass.self,  // everybody else asks what kind of client this is
  AllowListed.self,  // before whatever could refuse those it lets in
  BannedIPs.self,  // the cheapest that refuses: a look-up in memory
  Helo.self,  // cheap: neither DNS nor state
  SenderRules.self,  // the access map and our own domains: still no DNS
  SenderPolicy.self,  // SPF: what it proves, greylisting and bans go by
  Greylist.self,  // after all that refuses for good: who is refused anyway need not be remembered
  Defang.self,  // looks into what is left: the dearest of all checks
  AuthResults.self,  // writes what all others found
]

/// The section names of the modules that an allow-list can end.
package let skippableNames: [String] = pipeline.filter { canBeSkipped($0) }.map {
  sectionName($0)
}

private func canBeSkipped<M: PolicyModule>(_ module: M.Type) -> Bool {
  M.yieldsToAccept && !M.isProtective
}

/// The section names of the pipeline's modules, first to last, whether they are on or off.
package let pipelineNames: [String] = pipeline.map { sectionName($0) }
