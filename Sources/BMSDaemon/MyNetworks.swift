// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Configuration
internal import Glibc
internal import Policy

/// Compares `[network] internal_connect` with Postfix's `mynetworks`: who is ours should be written
/// twice only if it is the same twice.
package struct MyNetworks {
  private let value: String

  /// - Parameter value: what `postconf -h mynetworks` prints.
  package init(_ value: String) { self.value = value }

  /// Asks Postfix on this machine; nil where there is none.
  package static func ofThisMachine() -> MyNetworks? {
    guard let pipe = popen("PATH=$PATH:/usr/sbin exec postconf -h mynetworks 2>/dev/null", "r")
    else { return nil }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 65_536 {
      let count = fread(&buffer, 1, buffer.count, pipe)
      if count == 0 { break }
      bytes += buffer.prefix(count)
    }
    guard pclose(pipe) == 0 else { return nil }
    return MyNetworks(String(decoding: bytes, as: UTF8.self))
  }

  /// A sentence for each difference that matters.
  package func differences(from configuration: Configuration) -> [String] {
    let ours = configuration.settings(NetworkOptions.self).internalConnect
    var faults: [String] = []
    for item in value.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      // Tables, files and exclusions cannot be compared without Postfix.
      guard let network = Self.network(String(item)) else { continue }
      if !Self.ends(of: network).allSatisfy({ ours.contains($0) }) {
        faults.append(
          "Postfix's mynetworks has \(item), internal_connect has not: these clients count as "
            + "strangers here")
      }
    }
    let theirs = value.split(whereSeparator: { $0 == "," || $0.isWhitespace })
      .compactMap { Self.network(String($0)) }
    // An exclusion or a table may cover what seems to be missing.
    guard theirs.count == value.split(whereSeparator: { $0 == "," || $0.isWhitespace }).count else {
      return faults
    }
    for item in ours.list.items {
      guard let network = IPNetwork(item) else { continue }
      let isCovered = Self.ends(of: network).allSatisfy { end in
        theirs.contains { $0.contains(end) }
      }
      if !isCovered {
        faults.append(
          "internal_connect has \(item), Postfix's mynetworks has not: these clients are ours "
            + "here and strangers there")
      }
    }
    return faults
  }

  /// The first and the last address: a network of which a list has only a part, shows at one end.
  private static func ends(of network: IPNetwork) -> [IPAddress] {
    var octets = network.address.octets
    for bit in network.prefixLength..<(8 * octets.count) {
      octets[bit / 8] |= 0x80 >> UInt8(bit % 8)
    }
    return [network.address] + [IPAddress(octets: octets)].compactMap(\.self)
  }

  /// `[::1]/128`, `127.0.0.0/8`, `[::ffff:127.0.0.0]/104`.
  private static func network(_ text: String) -> IPNetwork? {
    IPNetwork(text.filter { $0 != "[" && $0 != "]" })
  }
}
