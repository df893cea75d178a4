// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import MilterClient
import Synchronization

// What SPF costs, with Unbound on loopback.

extension Bench {
  /// Clients that send again and again, with every answer in bmsd's own cache.
  private static let warmClients = Correspondence.knownClients
  /// Clients that nobody has asked about.
  private static let floodClients = 10_000
  private static let floodConnections = 64
  /// How long an answer of a distant server takes.
  private static let distance = DispatchTimeInterval.milliseconds(50)

  static let withoutSPF = "bmsd, SPF off"
  static let withSPF = "bmsd, SPF on"
  static let withForwarders = "bmsd, SPF on, 1,000 forwarders"

  /// With room for all answers about the clients that send again.
  func sections(_ dns: NameServer, isOn: Bool) -> String { sections(dns.address, isOn: isOn) }

  private func sections(_ dns: String, isOn: Bool) -> String {
    """
    [dns]
    servers = \(dns)
    cache_size = 64M
    [auth_results]
    mode = enforce
    [spf]
    mode = \(isOn ? "enforce" : "off")
    """
  }

  func nameServer(_ clients: Int) throws -> NameServer {
    try NameServer(unbound, clients: clients, port: try Self.freePortNumber(), folder: folder)
  }

  /// Three daemons in turn, one without SPF, one with many trusted forwarders, none of which sends;
  /// everything they ask is in their caches.
  func warmSenders(_ connections: [Int]) throws -> [Measurement] {
    let dns = try nameServer(Self.warmClients)
    let candidates = [
      try daemon(
        "spf-off", named: Self.withoutSPF, at: socket("spf-off"),
        sections: sections(dns, isOn: false)),
      try daemon(
        "spf-on", named: Self.withSPF, at: socket("spf-on"), sections: sections(dns, isOn: true)),
      try daemon(
        "forwarders", named: Self.withForwarders, at: socket("forwarders"),
        sections: sections(dns, isOn: true) + forwarderList),
    ]
    defer { for candidate in candidates { candidate.stop() } }
    try candidates.last.map(awaitForwarders)
    for candidate in candidates {
      say("senders: \(candidate.name), asking once about all clients")
      _ = try load(candidate, 8, Self.warmClients, .accepted).run(from: 0) {}
    }
    return try compare(candidates, connections, "warm senders")
  }

  private var forwarderList: String {
    let names = (0..<Correspondence.forwarders).map { Correspondence.forwarder($0).domain }
    return "\ntrusted_forwarder = " + names.joined(separator: ",\n  ")
  }

  /// Waits until every forwarder is known as one.
  private func awaitForwarders(_ candidate: Candidate) throws {
    say("senders: waiting for the trusted forwarders")
    let load = load(candidate, 1, Correspondence.forwarders, .forwarded)
    var trouble: (any Error)?
    for _ in 0..<50 {
      do {
        _ = try load.run(from: 0) {}
        return
      } catch { trouble = error }
      usleep(200_000)
    }
    throw trouble ?? BenchmarkError("no forwarders")
  }

  /// Clients of which each sends its first message: nothing about them is in any cache of bmsd.
  func coldSenders(_ connections: [Int]) throws -> [Measurement] {
    let clients = rounds * messages * connections.count
    let dns = try nameServer(clients)
    let candidate = try daemon(
      "spf-cold", named: Self.withSPF, at: socket("spf-cold"), knowing: clients,
      sections: sections(dns, isOn: true))
    defer { candidate.stop() }
    var next = 0
    return try connections.map { count in
      var own = Measurement(candidate: candidate.name, connections: count, messages: messages)
      for round in 0..<rounds {
        say("cold senders round \(round + 1)/\(rounds): \(count) connections")
        let load = load(candidate, count, messages, .acceptedOnce)
        own.rounds.append(try Figures.measure(candidate, load, from: next))
        next += messages
      }
      own.summary = Figures.summary(of: own.rounds)
      return own
    }
  }

  /// What a client of ours waits, whose mail asks no DNS: alone, beside clients whose answers are
  /// known, beside as many of which nothing is, and beside these again when each answer takes as long
  /// as on the Internet. Then the processors have time left, and what is waited is waited for DNS.
  func neighbours() throws -> [Neighbour] {
    let dns = try nameServer(Self.floodClients)
    let relay = try DelayingRelay(to: dns.port, delay: Self.distance)
    var samples: [Neighbour.Beside: [Figures.Wait]] = [:]
    for round in 0..<min(rounds, 3) {
      // The first flood finds nothing in the caches, the second everything.
      for (label, server, floods) in [
        ("flood", dns.address, [Neighbour.Beside.unknown, .known]),
        ("far-flood", relay.address, [.unknownAndFar]),
      ] {
        let candidate = try daemon(
          "\(label)-\(round)", named: Self.withSPF, at: socket("\(label)-\(round)"),
          knowing: Self.floodClients, sections: sections(server, isOn: true))
        defer { candidate.stop() }
        let probe = load(candidate, 1, messages, .ours)
        let flood = load(candidate, Self.floodConnections, Self.floodClients, .acceptedOnce)
        _ = try load(candidate, 1, 200, .ours).run(from: 0) {}
        try candidate.settle()
        if label == "flood" {
          say("neighbours round \(round + 1): alone")
          samples[.nobody, default: []].append(try Self.wait(probe.run(from: 0) {}))
        }
        for what in floods {
          say("neighbours round \(round + 1): \(what.rawValue)")
          samples[what, default: []].append(try Self.wait(probe, beside: flood))
          try candidate.settle()
        }
      }
    }
    return Neighbour.Beside.allCases.map { what in
      let waits = samples[what] ?? []
      return Neighbour(
        what: what,
        wait: Figures.Wait(
          p50: Figures.median(waits.map(\.p50)), p99: Figures.median(waits.map(\.p99)),
          max: waits.map(\.max).max() ?? 0))
    }
  }

  private static func wait(_ latencies: Load.Latencies) throws -> Figures.Wait {
    Figures.Wait((latencies[.total] ?? []).sorted())
  }

  /// What `probe` waits from the begin of `flood` to its end.
  private static func wait(_ probe: Load, beside flood: Load) throws -> Figures.Wait {
    let isOver = Whistle()
    let result = Mutex<Result<Figures.Wait, any Error>?>(nil)
    let done = DispatchSemaphore(value: 0)
    let endless = Load(
      address: probe.address, connections: 1, messages: .max, fate: probe.fate)
    let thread = Thread {
      let found = Result { try wait(endless.run(from: 0, until: { isOver.isBlown }) {}) }
      result.withLock { $0 = found }
      done.signal()
    }
    thread.start()
    let flooded = Result { try flood.run(from: 0) {} }
    isOver.blow()
    done.wait()
    _ = try flooded.get()
    guard let found = result.withLock({ $0 }) else { throw BenchmarkError("no probe") }
    return try found.get()
  }
}

/// Ends what runs on another thread.
private final class Whistle: Sendable {
  private let blown = Atomic(false)
  var isBlown: Bool { blown.load(ordering: .relaxed) }
  func blow() { blown.store(true, ordering: .relaxed) }
}

/// What a connection without DNS work waited, in microseconds.
struct Neighbour: Codable {
  /// Who sends meanwhile.
  enum Beside: String, CaseIterable, Codable {
    case nobody = "alone"
    case known = "beside known senders"
    case unknown = "beside unknown senders"
    case unknownAndFar = "beside unknown senders, DNS 50 ms away"
  }

  var what: Beside
  var wait: Figures.Wait
}
