// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS
internal import Environment
internal import Mail
internal import SPF
internal import TestSupport

// Records that the owners of domains wrote, evaluated against a small zone.

extension FuzzTarget {
  /// Names that records may lead to, beside the records themselves.
  private static let zone = try? ZoneResolver(
    """
    a.example A 192.0.2.1
    a.example AAAA 2001:db8::1
    b.example MX 10 a.example
    b.example MX 20 c.example
    c.example CNAME a.example
    l.example CNAME m.example
    m.example CNAME l.example
    t.example TIMEOUT
    s.example SERVFAIL
    n.example TXT "no record"
    1.2.0.192.in-addr.arpa PTR a.example
    1.2.0.192.in-addr.arpa PTR 0.example
    """)

  /// The zone, with the pieces of an input as the texts of `0.example`, `1.example` ...
  private struct Inputs: Resolver {
    let texts: [DomainName: [UInt8]]
    let zone: ZoneResolver

    init?(_ pieces: [[UInt8]]) {
      guard let zone = FuzzTarget.zone else { return nil }
      self.zone = zone
      let named = pieces.enumerated().compactMap { number, text in
        DomainName("\(number).example").map { ($0, text) }
      }
      texts = Dictionary(uniqueKeysWithValues: named)
    }

    func resolve(_ question: Question, by deadline: Deadline) -> Response {
      if question.type == .txt, let text = texts[question.name] {
        return Response(.answer([.text(text)]), timeToLive: ZoneResolver.timeToLive)
      }
      return zone.resolve(question, by: deadline)
    }
  }

  /// An evaluation ends within its limits, says what fits on a line, and comes to the same from
  /// kept records; what a lax reading has not put up with anything for, and what is worked out
  /// beforehand for all clients, agree with it.
  static func checkSPFRecord(_ bytes: [UInt8]) -> String? {
    guard let (query, resolver) = world(bytes) else { return "no world" }
    let time = FakeTime()
    let evaluator = SPFEvaluator(resolver: resolver, time: time)
    let deadline = Deadline(.seconds(20), time)
    let official = evaluator.evaluate(query, by: deadline, isExplained: true)
    if let fault = fault(of: official, query) { return fault }
    let keeping = SPFEvaluator(resolver: resolver, time: time, records: SPFRecordCache())
    for _ in 0..<2 {
      let kept = keeping.evaluate(query, by: deadline)
      guard kept.result == official.result, kept.mechanism == official.mechanism,
        kept.explanation == official.explanation, kept.lookupCount == official.lookupCount
      else { return "\(official.result), but \(kept.result) with records that are kept" }
    }
    let lax = evaluator.laxResult(of: query, by: deadline)
    if lax.problems.isEmpty, lax.result != official.result {
      return "\(official.result), but \(lax.result) from a lax reading without any problem"
    }
    if let fault = lax.problems.first(where: { !isOneLine($0) }) { return "problem \(fault)" }
    return forwarderFault(evaluator, query, deadline)
  }

  /// Debian's library in place of our evaluator: it ends within the same limits.
  static func checkSPFLibrary(_ bytes: [UInt8]) -> String? {
    guard let (query, resolver) = world(bytes) else { return "no world" }
    let time = FakeTime()
    let native = SPFEvaluator(resolver: resolver, time: time)
    let evaluation = LibSPF2(native: native).evaluate(
      query, by: Deadline(.seconds(20), time), isExplained: false)
    return fault(of: evaluation, query)
  }

  /// The first piece is a domain-spec and an explanation, the others are the sender's local part
  /// and the HELO name. The names asked for are names, the explanation is what it may be.
  static func checkSPFMacro(_ bytes: [UInt8]) -> String? {
    let pieces = pieces(of: bytes)
    let macro = pieces.first ?? []
    let texts = [
      Array("v=spf1 exists:".utf8) + macro + Array(" a:".utf8) + macro
        + Array(".example -all exp=1.example".utf8),
      macro,
    ]
    guard let resolver = Inputs(texts), let client = IPAddress("2001:db8::1") else {
      return "no world"
    }
    let query = SPFQuery(
      client: client,
      mailFrom: Mailbox(
        localPart: MailText(pieces.dropFirst().first ?? Array("ann".utf8)), domain: "0.example"),
      helo: MailText(pieces.dropFirst(2).first ?? Array("mail.example".utf8)))
    let time = FakeTime()
    let evaluation = SPFEvaluator(resolver: resolver, time: time).evaluate(
      query, by: Deadline(.seconds(20), time), isExplained: true)
    if let fault = fault(of: evaluation, query) { return fault }
    // Without a macro the explanation is the text.
    let isPlain = macro.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "%") }
    if evaluation.result == .fail, isPlain, macro.count <= SPFEvaluation.longestExplanation,
      evaluation.explanation != String(decoding: macro, as: UTF8.self)
    {
      return "the explanation is \(evaluation.explanation ?? "lost")"
    }
    return nil
  }

  // MARK: what all have in common

  private static func pieces(of bytes: [UInt8]) -> [[UInt8]] {
    bytes.split(separator: 0x1E, omittingEmptySubsequences: false).prefix(8).map(Array.init)
  }

  /// The first piece is the sender's record, and what stands behind its version need not say so.
  private static func world(_ bytes: [UInt8]) -> (SPFQuery, Inputs)? {
    var texts = pieces(of: bytes)
    for (number, text) in texts.enumerated() where !text.starts(with: Array("v=spf1".utf8)) {
      // What `exp=` leads to has no version: the last one.
      if number == 0 || number < texts.count - 1 { texts[number] = Array("v=spf1 ".utf8) + text }
    }
    // Clients of both families, now and then the one that the zone knows.
    let address = bytes.count.isMultiple(of: 2) ? "192.0.2.1" : "2001:db8::2"
    guard let resolver = Inputs(texts), let client = IPAddress(address) else { return nil }
    let query = SPFQuery(
      client: client, mailFrom: Mailbox(envelope: "ann@0.example"), helo: "mail.0.example",
      receiver: "mx.example.org")
    return (query, resolver)
  }

  private static func fault(of evaluation: SPFEvaluation, _ query: SPFQuery) -> String? {
    if evaluation.lookupCount > 11 { return "\(evaluation.lookupCount) terms asked DNS" }
    if evaluation.voidLookupCount > 3 { return "\(evaluation.voidLookupCount) void lookups" }
    if evaluation.lookups.count > 250 { return "\(evaluation.lookups.count) questions" }
    if evaluation.explanation != nil, evaluation.result != .fail {
      return "\(evaluation.result) is explained"
    }
    let isVisible = evaluation.explanation?.utf8.allSatisfy { (0x20...0x7E).contains($0) } ?? true
    guard isVisible, (evaluation.explanation ?? "").utf8.count <= SPFEvaluation.longestExplanation
    else { return "explanation \(evaluation.explanation ?? "")" }
    let texts = [evaluation.mechanism, evaluation.problem].compactMap { $0 }
    for text in texts + evaluation.steps.flatMap({ [$0.text, $0.outcome] }) where !isOneLine(text) {
      return "it shows as more than one line: \(text)"
    }
    let field = ReceivedSPF(evaluation, of: query).field.rawValue.bytes
    let lines = field.split(separator: 0x0A, omittingEmptySubsequences: false)
    let isFolded = lines.dropFirst().allSatisfy { $0.first == 0x20 && $0.contains { $0 != 0x20 } }
    let isText = field.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x0A }
    return isFolded && isText ? nil : "Received-SPF:\(String(decoding: field, as: UTF8.self))"
  }

  /// A client that is known beforehand to belong to a forwarder passes as its HELO name; when all
  /// are known, no other one does.
  private static func forwarderFault(
    _ evaluator: SPFEvaluator, _ query: SPFQuery, _ deadline: Deadline
  ) -> String? {
    guard let domain = DomainName("0.example") else { return nil }
    let forwarders = TrustedForwarders([domain], evaluator: evaluator)
    forwarders.refresh(by: deadline)
    let asHELO = SPFQuery(client: query.client, helo: "0.example")
    let result = evaluator.evaluate(asHELO, by: deadline).result
    let isKnown = forwarders.finding(of: query.client).forwarder != nil
    if isKnown, result != .pass { return "\(query.client) is a forwarder's, but \(result)" }
    let networks = forwarders.statuses.first?.networks
    if let networks, networks.isComplete, networks.problem == nil, !isKnown, result == .pass {
      return "\(query.client) passes, and is not among all that do"
    }
    return nil
  }
}
