// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Mail

/// The Received fields of mail that a trusted relay brings, read back to the client that it had the
/// message from: the first that is neither ours nor a relay of ours, or a user of ours.
struct RelayTrace {
  enum Origin: Equatable {
    case client(SenderClient)
    /// One of our users, who authenticated at a relay from that address.
    case user(IPAddress)
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

  /// Where the message came from, and how many fields from the top our hosts wrote: of what stands
  /// below, nobody of ours knows anything.
  func origin(isOurs: (IPAddress) -> Bool) -> (origin: Origin, depth: Int) {
    guard !fields.isEmpty else { return (.unreadable("there is no Received field"), .max) }
    for (index, value) in fields.prefix(Self.maximumHops).enumerated() {
      // A content filter, or a local submission.
      if ReceivedField.isWithinHost(value) { continue }
      let field = ReceivedField(parsing: value) { IPAddress($0.description) != nil }
      guard let field, let ip = IPAddress(field.address.description) else {
        return (.unreadable(String(value.description.prefix(200))), index + 1)
      }
      if field.isSubmission { return (.user(ip), index + 1) }
      if isOurs(ip) || ip.isLoopback { continue }
      return (.client(Self.client(ip, field)), index + 1)
    }
    guard fields.count > Self.maximumHops else { return (.ours, .max) }
    return (.unreadable("too many hops"), Self.maximumHops)
  }

  private static func client(_ ip: IPAddress, _ field: ReceivedField) -> SenderClient {
    let reverseName: ClientClass.ReverseName =
      field.name.map {
        DynamicName.looksDynamic($0.description, address: ip) ? .dynamic : .present
      } ?? .absent
    return SenderClient(
      ip: ip, helo: field.hello ?? "", reverseName: reverseName, isRelayed: true)
  }
}
