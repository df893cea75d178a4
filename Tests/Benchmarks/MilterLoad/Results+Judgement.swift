// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension Results {
  /// Compares what was measured with what was promised.
  mutating func judge() {
    let mebibyte = 1024.0
    for own in accepted where own.candidate == Bench.daemon {
      let other = accepted.first {
        $0.candidate == Yardstick.answering.rawValue && $0.connections == own.connections
      }
      guard let other, let summary = own.summary else { continue }
      let at = "at \(own.connections) connection\(own.connections == 1 ? "" : "s")"
      targets.append(
        Target(
          what: "CPU a message \(at), to the answering no-op's",
          value: own.ratio(to: other, \.processorTime), limit: 1.0))
      if own.connections == 1 {
        targets.append(
          Target(
            what: "p50 of a message \(at), to the answering no-op's",
            value: own.ratio(to: other, \.medianWait), limit: 0.8))
      }
      if own.connections == 64 {
        targets.append(
          Target(
            what: "RSS \(at), MiB, peak", value: Double(summary.peak) / mebibyte, limit: 60))
      }
    }
    for own in inet where own.candidate == Bench.daemon {
      targets.append(
        Target(
          what: "p50 of a message over inet, ms (Nagle: 44)",
          value: (own.summary?.medianWait ?? 0) / 1000, limit: 10))
    }
    if let first = growth.first, let last = growth.last {
      targets.append(
        Target(
          what: "RSS after \(last.messages) messages to that after \(first.messages)",
          value: Double(last.resident) / Double(max(first.resident, 1)), limit: 1.1))
    }
    if let full = openSessions.last {
      targets.append(
        Target(
          what: "RSS with \(full.messages) open sessions, MiB",
          value: Double(full.resident) / mebibyte, limit: 120))
    }
    judgeSenders()
    judgeAttachments()
  }

  private mutating func judgeAttachments() {
    for own in attachments where own.candidate == Bench.withDefang {
      let other = attachments.first {
        $0.candidate == Bench.copying && $0.connections == own.connections
      }
      guard let other else { continue }
      let at = "at \(own.connections) connection\(own.connections == 1 ? "" : "s")"
      targets.append(
        Target(
          what: "CPU a message of the mix \(at), to the copying no-op's",
          value: own.ratio(to: other, \.processorTime), limit: 1.3))
    }
    // Until then the caches make the clients' acquaintance.
    let acquainted = attachmentGrowth.first { $0.messages >= Correspondence.knownClients }
    if let first = acquainted, let last = attachmentGrowth.last, last.messages > first.messages {
      targets.append(
        Target(
          what: "RSS after \(last.messages) messages of the mix to that after \(first.messages)",
          value: Double(last.resident) / Double(max(first.resident, 1)), limit: 1.1))
    }
  }

  private mutating func judgeSenders() {
    for own in warmSenders where own.candidate == Bench.withSPF {
      let other = warmSenders.first {
        $0.candidate == Bench.withoutSPF && $0.connections == own.connections
      }
      guard let other else { continue }
      let at = "at \(own.connections) connection\(own.connections == 1 ? "" : "s")"
      targets.append(
        Target(
          what: "CPU that SPF adds to a message \(at), us",
          value: own.excess(over: other, \.processorTime) * 1000, limit: 25))
    }
    // Too little to be seen in the time of one run.
    let ofForwarders = warmSenders.filter { $0.candidate == Bench.withForwarders }.flatMap { own in
      warmSenders.first { $0.candidate == Bench.withSPF && $0.connections == own.connections }
        .map { own.excessTimes(over: $0) } ?? []
    }
    if !ofForwarders.isEmpty {
      targets.append(
        Target(
          what: "CPU that 1,000 trusted forwarders add to a message, us",
          value: Figures.median(ofForwarders) * 1000, limit: 1))
    }
    let p99 = { [neighbours] (what: Neighbour.Beside) in
      neighbours.first { $0.what == what }.map { $0.wait.p99 / 1000 }
    }
    for what in [Neighbour.Beside.unknown, .unknownAndFar] {
      guard let quiet = p99(.nobody), let flooded = p99(what) else { continue }
      targets.append(
        Target(
          what: "p99 of a client without DNS work \(what.rawValue), above its quiet one, ms",
          value: flooded - quiet, limit: 5))
    }
  }
}
