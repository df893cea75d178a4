// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import BMSDaemon
internal import Configuration
internal import Control
internal import FoundationEssentials
internal import Glibc
internal import Mail
internal import MilterClient
internal import Policy
internal import Store
internal import TestSupport

// Bytes from sockets: the milter protocol and the control socket.

extension FuzzTarget {
  /// However the stream is cut, it gives the same packets; and a session that is answered by it
  /// ends in a reply or an error.
  static func checkMilterPackets(_ bytes: [UInt8]) -> String? {
    let whole = packets(bytes, piece: max(bytes.count, 1))
    for piece in [1, 7] where packets(bytes, piece: piece) != whole {
      return "pieces of \(piece) bytes give other packets"
    }
    converse(bytes)
    return nil
  }

  private static func packets(_ bytes: [UInt8], piece: Int) -> [WirePacket?] {
    var decoder = WireDecoder()
    var packets: [WirePacket?] = []
    var rest = bytes[...]
    do {
      while !rest.isEmpty {
        decoder.append(rest.prefix(piece))
        rest = rest.dropFirst(piece)
        while let packet = try decoder.next() { packets.append(packet) }
      }
    } catch {
      // What cannot be a packet ends the stream.
      packets.append(nil)
    }
    return packets
  }

  /// A whole session with a filter that says these bytes, whatever it is asked.
  private static func converse(_ bytes: [UInt8]) {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { return }
    let said = bytes.prefix(100_000)
    _ = said.withUnsafeBytes {
      send(ends[1], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
    shutdown(ends[1], Int32(SHUT_WR))
    defer { close(ends[1]) }
    let session = MilterSession(connectedSocket: ends[0], timeout: .seconds(1))
    // Half of the inputs are answers to the offer.
    if bytes.count > 4, bytes[4] == 0x4F { _ = try? session.negotiate() }
    let message = EditedMessage(
      sender: "<a@example.com>", recipients: [.init("<b@example.net>")],
      headers: [HeaderField(name: "Subject", rawValue: " x")], body: [0x61])
    _ = try? session.send(message)
    session.closeAbruptly()
  }

  // MARK: the control socket

  private struct World: Sendable {
    let folder: TemporaryFolder
    let administration: Administration
  }

  /// One database for all requests: an order of them is what finds more than each alone.
  private static let world: World? = {
    guard let folder = try? TemporaryFolder() else { return nil }
    let time = FakeTime()
    guard let store = try? StateStore(path: folder.path("bms.db"), time: time) else { return nil }
    let rules = Configuration(text: "[greylist]\ntime = 5m\n", sections: BMSDaemon.sections)
    let memory = Memory(store: store, trail: MemoryTrail(capacity: 0))
    return World(folder: folder, administration: Administration(memory, time, rules))
  }()

  /// A request is refused or performed: there is an end, its text is lines, its rows are JSON.
  static func checkRequest(_ bytes: [UInt8]) -> String? {
    guard let world else { return "no database" }
    let read = try? JSONDecoder().decode(AdministrationRequest.self, from: Data(bytes))
    for request in [read, made(from: bytes)] {
      guard let request else { continue }
      var fault: String?
      let end = world.administration.perform(request) { row in
        do {
          _ = try JSONEncoder().encode(row)
        } catch {
          fault = "a row that is no JSON: \(row)"
        }
      }
      if let fault { return fault }
      if !(0...78).contains(end.status) { return "status \(end.status)" }
    }
    return nil
  }

  /// A well-formed request with values out of these bytes.
  private static func made(from bytes: [UInt8]) -> AdministrationRequest? {
    guard let kind = bytes.first else { return nil }
    let texts = bytes.dropFirst().split(separator: 0x1E, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    func text(_ index: Int) -> String { texts.dropFirst(index).first ?? "" }
    func some(_ index: Int) -> String? { text(index).isEmpty ? nil : text(index) }
    let number = bytes.dropFirst().prefix(8).reduce(0) { $0 << 8 | Int($1) }
    switch kind % 12 {
    case 0: return .banAdd(BanAddition(party: text(0), duration: number, reason: text(1)))
    case 1: return .banAdd(BanAddition(party: text(0), duration: nil, reason: text(1)))
    case 2: return .banRemove(text(0))
    case 3: return .allowRemove(text(0))
    case 4: return .unwritten(text(0))
    case 5:
      return .greylist(.list(origin: some(0), hasPassed: nil, limit: number, skip: 1))
    case 6: return .greylist(.list(origin: nil, hasPassed: true, limit: 10, skip: number))
    case 7: return .greylist(.show(sender: text(0), recipient: some(1), limit: number))
    case 8: return .greylist(.pass(sender: text(0), recipient: text(1)))
    case 9: return .greylist(.drop(origin: some(0), sender: some(1), recipient: some(2)))
    case 10: return .greylist(.take(texts))
    default: return .greylist(.purge)
    }
  }
}
