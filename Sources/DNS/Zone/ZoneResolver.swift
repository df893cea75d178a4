// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment

/// Answers from a zone file, without any network: for tests and for every `--zone`.
///
/// What is not in the file does not exist. A name that only has names below it exists without
/// data (RFC 8020 §2). Aliases are followed.
package struct ZoneResolver: Resolver {
  /// The seconds for which every answer holds.
  package static let timeToLive: UInt32 = 300

  private let nodes: [DomainName: ZoneFile.Node]
  /// Names that others stand below.
  private let ancestors: Set<DomainName>

  /// The resolver for which nothing exists.
  package init() {
    nodes = [:]
    ancestors = []
  }

  /// - Parameter text: the text of a zone file: one record a line, `NAME TYPE DATA`.
  /// - Throws: every line that is wrong.
  package init(_ text: [UInt8]) throws(ZoneFaults) {
    nodes = try ZoneFile(text).nodes
    var ancestors: Set<DomainName> = []
    for name in nodes.keys {
      var parent = name.parent
      while let ancestor = parent, ancestors.insert(ancestor).inserted {
        parent = ancestor.parent
      }
    }
    self.ancestors = ancestors
  }

  /// The same of a text.
  package init(_ text: String) throws(ZoneFaults) { try self.init(Array(text.utf8)) }

  package func resolve(_ question: Question, by deadline: Deadline) -> Response {
    guard !deadline.isOver else { return Response(.temporary(.deadline)) }
    var name = question.name
    var aliases: [DomainName] = []
    while true {
      guard let node = nodes[name] else {
        let isAncestor = ancestors.contains(name)
        return response(isAncestor ? .noData : .nonexistent, aliases)
      }
      if let records = node.records[question.type] { return response(.answer(records), aliases) }
      if case .name(let target)? = node.records[.cname]?.first {
        guard aliases.count < longestAliasChain else {
          return response(.temporary(.aliasLoop), aliases)
        }
        aliases.append(target)
        name = target
        continue
      }
      switch node.trouble {
      case nil: return response(.noData, aliases)
      case .serverFailure: return response(.temporary(.serverFailure(code: 2)), aliases)
      case .timeout: return response(.temporary(.timeout), aliases)
      case .bogus: return response(.bogus("the zone file says so"), aliases)
      }
    }
  }

  private func response(_ outcome: Response.Outcome, _ aliases: [DomainName]) -> Response {
    Response(outcome, aliases: aliases, timeToLive: Self.timeToLive)
  }
}
