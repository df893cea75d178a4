// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Addressing
package import Configuration
package import Mail
internal import Milter
package import Policy

/// What kind of client this is: ours or a stranger, and whether its name says anything.
package struct ClientClass: Sendable, Equatable {
  /// What reverse DNS says of the address.
  package enum ReverseName: String, Sendable {
    /// A name that looks chosen by somebody.
    case present
    /// None, or none that leads back to the address.
    case absent
    /// A name made from the address, as dial-up and DSL pools have it.
    case dynamic
  }

  /// In `internal_connect`, or authenticated.
  package var isInternal: Bool
  /// In `trusted_relay`.
  package var isTrusted: Bool
  /// 127.0.0.0/8, ::1, a local socket, or no address at all: mail of this machine.
  package var isLoopback: Bool
  /// A successful AUTH on this connection.
  package var isAuthenticated: Bool
  package var reverseName: ReverseName
  /// Our own name: `[network] hostname` or what the MTA calls itself.
  package var ownName: MailText?
  /// The name under which our results stand (RFC 8601 §2.5): `[network] authserv_id`, else ours.
  package var authservID: MailText?

  /// `INTERNAL`, `EXTERNAL TRUSTED DYN`: the words of the log.
  package var words: String {
    var words = [isInternal ? "internal" : "external"]
    if isTrusted { words.append("trusted") }
    if isLoopback { words.append("loopback") }
    if isAuthenticated { words.append("authenticated") }
    words.append("ptr=\(reverseName.rawValue)")
    return words.joined(separator: " ")
  }
}

/// The class of the connection. Set at CONNECT; at MAIL for authenticated clients.
package enum ClientClassFact: Fact {
  package typealias Value = ClientClass
}

/// The networks of our own clients and relays. Set at CONNECT.
package enum OurNetworksFact: Fact {
  package typealias Value = OurNetworks
}

/// `[network] internal_connect` and `trusted_relay`.
package struct OurNetworks: Sendable {
  let internalConnect: Networks
  let trustedRelay: Networks

  package func contains(_ ip: IPAddress) -> Bool {
    internalConnect.contains(ip) || trustedRelay.contains(ip)
  }
}

/// Classifies the client: the first module, since all others ask what kind of client they see.
///
/// Decides nothing by itself. AUTH makes a client internal from then on (its macros come with every
/// MAIL). A local socket is a process of this machine and classed as 127.0.0.1, and so is a peer
/// without an address that the MTA calls localhost; any other without an address is a stranger, such
/// as a client whose address a proxy did not tell.
package struct ConnectionClass: PolicyModule {
  package typealias Options = NetworkOptions
  package static var provides: [any Fact.Type] {
    [ClientClassFact.self, OurNetworksFact.self]
  }
  package static var yieldsToAccept: Bool { false }

  let networks: OurNetworks
  let hostname: String
  let authservID: String

  package init(
    _ settings: Settings<NetworkOptions>, _ services: Services
  ) throws(SetupError) {
    networks = OurNetworks(
      internalConnect: settings.internalConnect, trustedRelay: settings.trustedRelay)
    hostname = settings.hostname
    authservID = settings.authservID
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: ConnectStage, SenderStage {
    let module: ConnectionClass
    init(module: ConnectionClass) { self.module = module }

    package func connect(_ t: Transaction) -> Verdict {
      let found = module.classify(t)
      t[ClientClassFact.self] = found
      t[OurNetworksFact.self] = module.networks
      t.note(found.words)
      return .proceed
    }

    package func sender(_ t: Transaction) -> Verdict {
      guard t.authentication != nil, var found = t[ClientClassFact.self] else { return .proceed }
      found.isInternal = true
      found.isAuthenticated = true
      t[ClientClassFact.self] = found
      t.note(found.words)
      return .proceed
    }
  }

  func classify(_ t: Transaction) -> ClientClass {
    let ip = t.peer.ip ?? (isOfThisMachine(t) ? IPAddress(v4: 0x7F00_0001) : nil)
    let ownName = hostname.isEmpty ? t.hostName : MailText(hostname)
    return ClientClass(
      isInternal: ip.map { networks.internalConnect.contains($0) } ?? false,
      isTrusted: ip.map { networks.trustedRelay.contains($0) } ?? false,
      isLoopback: ip?.isLoopback ?? false, isAuthenticated: false,
      reverseName: reverseName(t.peer), ownName: ownName,
      authservID: authservID.isEmpty ? ownName : MailText(authservID))
  }

  private func isOfThisMachine(_ t: Transaction) -> Bool {
    if case .unix = t.peer.address { return true }
    return t.isNotSMTP || t.peer.hostName.lowercased == "localhost"
  }

  private func reverseName(_ peer: Peer) -> ClientClass.ReverseName {
    let name = peer.hostName
    if name.isEmpty || name.bytes.first == 0x5B || name.lowercased == "unknown" { return .absent }
    guard let ip = peer.ip, !ip.isLoopback else { return .present }
    return DynamicName.looksDynamic(name.description, address: ip) ? .dynamic : .present
  }
}
