// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Configuration
import Environment
import Greylisting
import Logging
import Mail
import Milter
import Policies
import Policy
import Store
import TestSupport

/// What a greylist check costs with a thousand triplets and with a million, side by side so that
/// the machine's moods hit both: the statement alone for known and new triplets, and a message up
/// to its answer at RCPT. Goal: a ratio of at most 1.25. Run with `make benchmark`.
///
/// Triplets are asked for evenly, the worst case; real mail comes again and again from the same.
@main
struct GreylistBenchmark {
  static let sizes = [1_000, 1_000_000]
  static let rounds = 40
  static let checks = 1_000
  static let rule = TripletRule(
    delay: 300_000, expire: 172_800_000, retain: 3_110_400_000, autoPass: 5)
  /// One sequence for all kinds: none finds the pages warm that another asked for.
  static let random = FakeRandom()
  static let start: Int64 = 1_795_219_200_000

  /// Triplet `number` of a site with some 60,000 origins.
  static func triplet(_ number: Int) -> Triplet {
    let mixed = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
    return Triplet(
      origin: "\(mixed >> 56).\(mixed >> 48 & 255).0.0/24",
      sender: "sender\(mixed >> 20 & 0xFFFFFF)@example\(number % 977).com",
      recipient: "user\(number)@example.org")
  }

  static func store(_ size: Int, _ folder: TemporaryFolder) throws -> StateStore {
    let store = try StateStore(path: folder.path("\(size).db"), time: SystemTime(), use: .mail)
    var number = 0
    _ = try store.importTriplets(by: rule, at: start, within: .seconds(60)) {
      guard number < size else { return nil }
      defer { number += 1 }
      return .record(
        TripletRecord(
          triplet: triplet(number), first: start - 600_000, last: start - 1000,
          passed: number % 2, tries: number % 2 + 1))
    }
    return store
  }

  static func main() throws {
    let folder = try TemporaryFolder()
    let stores = try sizes.map { ($0, try store($0, folder)) }
    for kind in ["known", "mail", "new"] {
      let medians = try measure(stores, kind)
      for (size, median) in zip(sizes, medians) {
        print("\(kind) triplet among \(size): \(median) a check")
      }
      if let small = medians.first, let large = medians.last {
        print("\(kind): ratio \(large / small)")
      }
    }
  }

  /// The median over rounds of the mean time of a check, for each size.
  static func measure(_ stores: [(Int, StateStore)], _ kind: String) throws -> [Duration] {
    let pipelines = try stores.map { try pipeline($0.1) }
    var times = sizes.map { _ in [Duration]() }
    let clock = ContinuousClock()
    for round in 0..<rounds {
      // What the housekeeper does beside the mail.
      for (_, store) in stores { try store.file.checkpoint(within: .seconds(5)) }
      for (index, ((size, store), pipeline)) in zip(stores, pipelines).enumerated() {
        let took = try clock.measure {
          for check in 0..<checks {
            let number =
              kind == "new"
              ? size + round * checks + check : Int((random.next() >> 16) % UInt64(size))
            guard kind != "mail" else {
              mail(triplet(number), pipeline)
              continue
            }
            _ = try store.see(
              triplet(number), at: start + Int64(round), by: rule, learnOnly: false,
              within: .seconds(5))
          }
        }
        times[index].append(took / checks)
      }
    }
    return times.map { $0.sorted().dropFirst(rounds / 2).first ?? .zero }
  }

  /// A site that greylists each recipient.
  static func pipeline(_ store: StateStore) throws -> PolicyPipeline {
    let text = "[helo]\nmode = enforce\n[greylist]\nmode = enforce\nscope = recipient\nfold = no\n"
    let configuration = Configuration.load(
      path: "bms.conf",
      sections: [NetworkOptions.self, LogOptions.self, Helo.Options.self, GreylistOptions.self],
      read: { _ in Array(text.utf8) })
    var services = Services(
      time: FakeTime(), random: FakeRandom(), files: FakeFiles(), trail: MemoryTrail(capacity: 0),
      log: Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() })
    services.triplets = store
    return try PolicyPipeline(
      [ConnectionClass.self, Helo.self, Greylist.self], configuration, services)
  }

  /// One connection with one mail, up to the answer to its recipient.
  static func mail(_ triplet: Triplet, _ pipeline: PolicyPipeline) {
    let runner = Runner(pipeline)
    let address = IPNetwork(triplet.origin)?.address ?? IPAddress(v4: 0)
    _ = runner.connect(
      Peer(hostName: "mail.example.com", address: .inet(address, port: 25_000)), Macros())
    _ = runner.hello("mail.example.com")
    _ = runner.sender([MailText("<\(triplet.sender)>")], Macros())
    _ = runner.recipient([MailText("<\(triplet.recipient)>")], Macros())
    runner.close()
  }
}
