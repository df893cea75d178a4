// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import Environment

/// The name of an address that leads back to it: the iprev check (RFC 8601 §3).
package struct ReverseName: Sendable, Equatable {
  /// The results of RFC 8601 §2.7.3.
  package enum Result: String, Sendable {
    /// A name of the address leads back to it.
    case pass
    /// It has names, but none leads back.
    case fail
    /// DNS gave no answer; a later check may succeed.
    case temperror
    /// It has no name.
    case permerror
  }

  package let result: Result
  /// The first name that leads back; without one, the first at all.
  package let name: DomainName?
  /// `name` for people.
  package let text: String?
  /// The address for people.
  package let address: String
  /// For how many seconds from the first question on all answers hold; 0 when one of them failed.
  package let timeToLive: UInt32
  /// Whether an answer failed on the way.
  package let hasFailed: Bool

  /// So many names are tried, as by SPF (RFC 7208 §4.6.4).
  private static let maximumNames = 10

  /// Asks for the names of `address` and where they lead.
  package init(of address: IPAddress, _ resolver: some Resolver, by deadline: Deadline) {
    let response = resolver.resolve(DomainName(reverse: address), .ptr, by: deadline)
    let text = address.description
    var timeToLive = response.usableTime
    guard let first = response.names.first else {
      let failed = response.isFailure
      self.init(failed ? .temperror : .permerror, text, nil, timeToLive, failed)
      return
    }
    var failed = false
    for name in response.names.prefix(Self.maximumNames) {
      let answer = resolver.resolve(name, address.isIPv4 ? .a : .aaaa, by: deadline)
      timeToLive = min(timeToLive, answer.usableTime)
      if answer.addresses.contains(address) {
        self.init(.pass, text, name, timeToLive, failed)
        return
      }
      failed = failed || answer.isFailure
    }
    self.init(failed ? .temperror : .fail, text, first, timeToLive, failed)
  }

  private init(
    _ result: Result, _ address: String, _ name: DomainName?, _ timeToLive: UInt32,
    _ hasFailed: Bool
  ) {
    self.address = address
    self.hasFailed = hasFailed
    self.result = result
    self.name = name
    text = name?.description
    self.timeToLive = timeToLive
  }
}
