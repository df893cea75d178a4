// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Policies
package import Policy

/// The order of policy, first to last, at every stage. `bmsd pipeline` prints it by stage; a test
/// proves that no module needs a fact before it is provided.
package let pipeline: [any PolicyModule.Type] = [
  ConnectionClass.self,  // everybody else asks what kind of client this is
  Helo.self,  // cheap: neither DNS nor state
  Greylist.self,  // after all that refuses for good: who is refused anyway need not be remembered
]

/// The section names of the pipeline's modules, first to last, whether they are on or off.
package let pipelineNames: [String] = pipeline.map { sectionName($0) }
