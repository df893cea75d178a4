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

  static let withoutSPF = "bmsd, SPF off"
  static let withSPF = "bmsd, SPF on"

  /// With room for all answers about the clients that send again.
  func sections(_ dns: NameServer, isOn: Bool) -> String {
    """
    [dns]
    servers = \(dns.address)
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

  /// Two daemons in turn, one without SPF, and everything they ask is in their caches.
  func warmSenders(_ connections: [Int]) throws -> [Measurement] {
    let dns = try nameServer(Self.warmClients)
    let candidates = [
      try daemon(
        "spf-off", named: Self.withoutSPF, at: socket("spf-off"),
        sections: sections(dns, isOn: false)),
      try daemon(
        "spf-on", named: Self.withSPF, at: socket("spf-on"), sections: sections(dns, isOn: true)),
    ]
    defer { for candidate in candidates { candidate.stop() } }
    for candidate in candidates {
      say("senders: \(candidate.name), asking once about all clients")
      _ = try load(candidate, 8, Self.warmClients, .accepted).run(from: 0) {}
    }
    return try compare(candidates, connections, "warm senders")
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
  /// known, and beside as many of which nothing is.
  func neighbours() throws -> [Neighbour] {
    let dns = try nameServer(Self.floodClients)
    var samples: [String: [Figures.Wait]] = [:]
    let order = ["alone", "beside known senders", "beside unknown senders"]
    for round in 0..<min(rounds, 3) {
      let candidate = try daemon(
        "flood-\(round)", named: Self.withSPF, at: socket("flood-\(round)"),
        knowing: Self.floodClients, sections: sections(dns, isOn: true))
      defer { candidate.stop() }
      let probe = load(candidate, 1, messages, .ours)
      let flood = load(candidate, Self.floodConnections, Self.floodClients, .acceptedOnce)
      _ = try load(candidate, 1, 200, .ours).run(from: 0) {}
      try candidate.settle()
      say("neighbours round \(round + 1): alone")
      samples[order[0], default: []].append(try Self.wait(probe.run(from: 0) {}))
      // The first flood finds nothing in the caches, the second everything.
      for (label, what) in [(order[2], "unknown"), (order[1], "known")] {
        say("neighbours round \(round + 1): beside \(Self.floodClients) \(what) senders")
        samples[label, default: []].append(try Self.wait(probe, beside: flood))
        try candidate.settle()
      }
    }
    return order.map { label in
      let waits = samples[label] ?? []
      return Neighbour(
        what: label,
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
  var what: String
  var wait: Figures.Wait
}
