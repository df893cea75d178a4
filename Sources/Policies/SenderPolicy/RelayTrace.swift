// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Mail

/// The Received fields of mail that a trusted relay brings, read back to the client that it had the
/// message from: the first that is neither ours nor a relay of ours.
struct RelayTrace {
  enum Origin: Equatable {
    case client(SenderClient)
    /// Every hop is ours.
    case ours
    /// What could not be read, for the trail.
    case unreadable(String)
  }

  /// Hops that are read; between relays of ours there are never more.
  static let maximumHops = 30

  private let fields: [MailText]

  /// - Parameter fields: the values of the Received fields, the newest first.
  init(_ fields: [MailText]) { self.fields = fields }

  func origin(isOurs: (IPAddress) -> Bool) -> Origin {
    guard !fields.isEmpty else { return .unreadable("there is no Received field") }
    for value in fields.prefix(Self.maximumHops) {
      // A hop within one host, such as a content filter's or a local submission, names no client.
      let field = ReceivedField(parsing: value) { IPAddress($0.description) != nil }
      guard let field, let ip = IPAddress(field.address.description) else {
        return .unreadable(String(value.description.prefix(200)))
      }
      if isOurs(ip) || ip.isLoopback { continue }
      let name = field.name?.description
      let reverseName: ClientClass.ReverseName =
        name.map { DynamicName.looksDynamic($0, address: ip) ? .dynamic : .present } ?? .absent
      return .client(
        SenderClient(
          ip: ip, helo: field.hello ?? "", reverseName: reverseName, isRelayed: true))
    }
    return fields.count > Self.maximumHops ? .unreadable("too many hops") : .ours
  }
}
