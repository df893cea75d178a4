// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import Mail
import MilterClient

/// The milters that do nothing.
enum Yardstick: String, CaseIterable {
  case answering = "no-op"
  case noReply = "no-op, no-reply"
}

/// Starts the milters in a folder of their own, loads them in turn, and collects the results.
struct Bench {
  static let daemon = "bmsd"

  let bmsd: String
  let noOp: String
  let noReply: String
  let noCopy: String
  let unbound: String
  let rounds: Int
  let messages: Int
  let folder: URL
  /// Says what is being done.
  let say: (String) -> Void

  // MARK: milters

  func yardstick(_ kind: Yardstick, at address: MilterAddress) throws -> Candidate {
    let program = kind == .answering ? noOp : noReply
    return try Candidate(
      kind.rawValue, [program, "\(address)"], at: address, log: path("\(kind).log"))
  }

  /// bmsd with a fresh database that knows the first `clients` senders, and every module enforcing
  /// that asks no DNS; `sections` bring more.
  func daemon(
    _ label: String, named name: String = Bench.daemon, at address: MilterAddress,
    knowing clients: Int = Correspondence.knownClients, sections: String = ""
  ) throws -> Candidate {
    let configuration = path("\(label).conf")
    let text = """
      [milter]
      socket = \(address)
      max_sessions = 4000
      [network]
      hostname = mx.example.org
      [log]
      level = info
      [store]
      path = \(path("\(label).db"))
      min_free = 0
      [trail]
      path = \(path("\(label)-trail.db"))
      [control]
      socket = \(path("\(label).control"))
      [allow]
      require_auth = yes
      [banned_ips]
      mode = enforce
      [helo]
      mode = enforce
      [greylist]
      mode = enforce
      scope = message
      \(sections)
      """
    try Data(text.utf8).write(to: URL(filePath: configuration))
    let triplets = path("\(label).csv")
    try Data(Self.triplets(clients).utf8).write(to: URL(filePath: triplets))
    let candidate = try Candidate(
      name, [bmsd, "run", "--config", configuration], at: address,
      log: path("\(label).log"))
    try run([bmsd, "greylist", "import", "--config", configuration, triplets])
    return candidate
  }

  /// Every known client with its sender, in the ancestor's format: passed two days ago. Where SPF
  /// is on, they are known by their domain.
  private static func triplets(_ clients: Int) -> String {
    let seen = Int(Date().timeIntervalSince1970) - 172_800
    return (0..<clients).map { number in
      let client = Correspondence.once(number)
      let rest = "\(client.sender),\(Correspondence.recipient),\(seen - 3600),\(seen),3,\n"
      return "\(client.address),\(rest)\(client.domain),\(rest)"
    }.joined()
  }

  private func run(_ arguments: [String]) throws {
    let command = Process()
    command.executableURL = URL(filePath: arguments.first ?? "")
    command.arguments = Array(arguments.dropFirst())
    command.standardOutput = FileHandle.nullDevice
    try command.run()
    command.waitUntilExit()
    guard command.terminationStatus == 0 else {
      throw BenchmarkError("\(arguments) ended with \(command.terminationStatus)")
    }
  }

  func path(_ name: String) -> String { folder.appending(path: name).path }
  func socket(_ name: String) -> MilterAddress { .unix(path: path(name)) }

  // MARK: measurements

  /// bmsd and the yardsticks in turn, round by round, so that whatever else the machine does hits
  /// all of them.
  func accepted(_ connections: [Int]) throws -> [Measurement] {
    let candidates = [
      try yardstick(.answering, at: socket("answering")),
      try daemon("accept", at: socket("accept")),
      try yardstick(.noReply, at: socket("no-reply")),
    ]
    defer { for candidate in candidates { candidate.stop() } }
    return try compare(candidates, connections, "unix")
  }

  /// The same over TCP on loopback.
  func inet() throws -> [Measurement] {
    let candidates = [
      try yardstick(.answering, at: try Self.freePort()),
      try daemon("inet", at: try Self.freePort()),
      try yardstick(.noReply, at: try Self.freePort()),
    ]
    defer { for candidate in candidates { candidate.stop() } }
    return try compare(candidates, [1], "inet")
  }

  func compare(
    _ candidates: [Candidate], _ connections: [Int], _ label: String,
    _ content: Load.Content = .text
  ) throws -> [Measurement] {
    var measurements = connections.flatMap { count in
      candidates.map { Measurement(candidate: $0.name, connections: count, messages: messages) }
    }
    for candidate in candidates {
      _ = try load(candidate, 8, Correspondence.knownClients / 5, .accepted, content)
        .run(from: 0) {}
    }
    for round in 0..<rounds {
      for index in measurements.indices {
        let candidate = candidates[index % candidates.count]
        let count = measurements[index].connections
        say("\(label) round \(round + 1)/\(rounds): \(candidate.name), \(count) connections")
        measurements[index].rounds.append(
          try Figures.measure(
            candidate, load(candidate, count, messages, .accepted, content),
            from: round * messages))
      }
    }
    for index in measurements.indices {
      measurements[index].summary = Figures.summary(of: measurements[index].rounds)
    }
    return measurements
  }

  /// Senders that nobody knows.
  func deferred(_ connections: [Int]) throws -> [Measurement] {
    let candidate = try daemon("defer", at: socket("defer"))
    defer { candidate.stop() }
    var next = 0
    return try connections.map { count in
      var own = Measurement(candidate: candidate.name, connections: count, messages: messages)
      for round in 0..<rounds {
        say("deferral round \(round + 1)/\(rounds): \(count) connections")
        let load = load(candidate, count, messages, .deferred)
        own.rounds.append(try Figures.measure(candidate, load, from: next))
        next += messages
      }
      own.summary = Figures.summary(of: own.rounds)
      return own
    }
  }

  /// Memory after each twentieth of `count` messages over 8 connections.
  func growth(_ count: Int) throws -> [MemorySample] {
    let candidate = try daemon("growth", at: socket("growth"))
    defer { candidate.stop() }
    return try growth(of: candidate, count, .text)
  }

  func growth(
    of candidate: Candidate, _ count: Int, _ content: Load.Content
  ) throws -> [MemorySample] {
    let step = max(count / 20, 1)
    return try (1...20).map { part in
      say("memory: \(part * step) messages")
      _ = try load(candidate, 8, step, .accepted, content).run(from: (part - 1) * step) {}
      try candidate.settle()
      return MemorySample(messages: part * step, resident: try candidate.status("VmRSS"))
    }
  }

  /// Memory with `count` sessions open, each with a message begun.
  func openSessions(_ count: Int) throws -> [MemorySample] {
    let candidate = try daemon("sessions", at: socket("sessions"))
    defer { candidate.stop() }
    say("memory: \(count) open sessions")
    let empty = MemorySample(messages: 0, resident: try candidate.status("VmRSS"))
    let load = load(candidate, 1, 1, .accepted)
    let sessions = try (0..<count).map { try load.open($0) }
    try candidate.settle()
    let full = MemorySample(messages: count, resident: try candidate.status("VmRSS"))
    for session in sessions { session.closeAbruptly() }
    return [empty, full]
  }

  func load(
    _ candidate: Candidate, _ connections: Int, _ messages: Int, _ fate: Load.Fate,
    _ content: Load.Content = .text
  ) -> Load {
    Load(
      address: candidate.address, connections: connections, messages: messages, fate: fate,
      content: content)
  }

  /// A port of loopback that is free at the moment.
  private static func freePort() throws -> MilterAddress {
    .inet(host: "127.0.0.1", port: try freePortNumber())
  }

  /// Its number.
  static func freePortNumber() throws -> UInt16 {
    let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw BenchmarkError("no free port") }
    return UInt16(bigEndian: address.sin_port)
  }
}
