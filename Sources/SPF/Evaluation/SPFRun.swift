// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS
internal import Environment
internal import Mail

/// One evaluation under way: what it was asked, and what it has used up.
struct SPFRun {
  let query: SPFQuery
  let resolver: any Resolver
  let records: SPFRecordCache?
  let time: any TimeSource
  let deadline: Deadline
  /// Whether to put up with common mistakes of publishers; never for an official result.
  let isLax: Bool
  let limits: SPFLimits
  /// Whether to keep the steps.
  let isExplained: Bool

  var lookups: [SPFLookup] = []
  var steps: [SPFStep] = []
  var termCount = 0
  var voidTermCount = 0
  var macroBytes = 0
  /// What a lax evaluation has put up with.
  var problems: [String] = []
  /// The names of the client as its PTR records have them; nil until asked.
  var pointers: Response?
  /// For how many seconds from the beginning what was found holds; 0 when it rests on a failure, on
  /// the deadline or on the time of day.
  var timeToLive = UInt32.max
  /// What was looked at in the query besides client and domain.
  var traits = SPFQueryTraits()
  /// Which of these names lead back to the client.
  var confirmedPointers: [DomainName: Bool] = [:]

  init(
    _ query: SPFQuery, _ evaluator: SPFEvaluator, by deadline: Deadline, isLax: Bool,
    isExplained: Bool
  ) {
    self.query = query
    resolver = evaluator.resolver
    records = evaluator.records
    time = evaluator.time
    self.deadline = deadline
    self.isLax = isLax
    limits = isLax ? .lax : .official
    self.isExplained = isExplained
  }

  /// What the evaluation of one record came to.
  struct Finding {
    var result: SPFResult
    /// The directive that matched, nil when none did.
    var directive: String?
    /// The record's `exp=`, and the domain it belongs to.
    var explanation: DomainSpec?
    var domain: DomainName
  }

  /// Puts up with a fault in a lax evaluation.
  mutating func tolerate(_ message: String) throws(SPFStop) {
    guard isLax else { throw .permerror(message) }
    if problems.count < 20 { problems.append(message) }
  }

  // MARK: - DNS

  /// Asks DNS, within the time that is left.
  mutating func look(
    _ name: DomainName, _ type: RecordType, isCounted: Bool = true
  ) throws(SPFStop) -> Response {
    try requireTime()
    let began = time.monotonic
    let question = Question(name, type)
    let response = resolver.resolve(question, by: deadline)
    timeToLive = min(timeToLive, response.usableTime)
    note(response, to: question, term: isCounted ? termCount : 0, since: began)
    return response
  }

  private mutating func requireTime() throws(SPFStop) {
    guard deadline.isOver else { return }
    timeToLive = 0
    throw .temperror("out of time")
  }

  private mutating func note(
    _ response: Response, to question: Question, term: Int, since began: Duration
  ) {
    lookups.append(
      SPFLookup(
        question: question, outcome: response.outcome.word, recordCount: response.records.count,
        term: term, elapsed: time.monotonic - began, isFromCache: response.isFromCache))
  }

  /// The same for a mechanism, of which a failure ends the check (RFC 7208 §5).
  mutating func require(_ name: DomainName, _ type: RecordType) throws(SPFStop) -> Response {
    let response = try look(name, type)
    guard !response.isFailure else {
      throw .temperror("\(response.outcome.word) for \(Question(name, type))")
    }
    return response
  }

  /// Counts a term that asks DNS (RFC 7208 §4.6.4).
  mutating func countTerm() throws(SPFStop) {
    termCount += 1
    if termCount > limits.terms {
      throw .permerror("more than \(limits.terms) terms ask DNS")
    }
    if termCount == SPFLimits.official.terms + 1 {
      try tolerate("more than \(SPFLimits.official.terms) terms ask DNS")
    }
  }

  /// Counts a term whose lookup found nothing (RFC 7208 §4.6.4).
  mutating func countVoid() throws(SPFStop) {
    voidTermCount += 1
    if voidTermCount > limits.voidTerms {
      throw .permerror("more than \(limits.voidTerms) lookups find nothing")
    }
  }

  // MARK: - Records

  /// The record of a domain; nil when it has none (RFC 7208 §4.4, §4.5).
  mutating func record(
    of domain: DomainName, isCounted: Bool = true
  ) throws(SPFStop) -> SPFRecord? {
    try requireTime()
    let question = Question(domain, .txt)
    let now = time.monotonic
    if !isLax, let known = records?.record(of: domain, now: now) {
      timeToLive = min(timeToLive, UInt32(clamping: (known.end - now).components.seconds))
      var response = Response(.answer([.text([])]))
      response.isFromCache = true
      let term = isCounted ? termCount : 0
      note(response, to: question, term: term, since: now)
      return try read(known)
    }
    let response = try look(domain, .txt, isCounted: isCounted)
    guard !response.isFailure else {
      throw .temperror("\(response.outcome.word) for \(question)")
    }
    let found = response.texts.filter { SPFRecord.isRecord($0) }
    guard let text = found.first else { return nil }
    guard found.count == 1 else { throw .permerror("\(domain) has \(found.count) SPF records") }
    if isLax { return try read(SPFRecordCache.Entry(text, isLax: true)) }
    let entry = SPFRecordCache.Entry(text)
    records?.keep(entry, of: domain, seconds: response.usableTime, now: now)
    return try read(entry)
  }

  private mutating func read(_ entry: SPFRecordCache.Entry) throws(SPFStop) -> SPFRecord {
    switch entry.record {
    case .success(let record):
      for problem in record.problems { try tolerate(problem) }
      return record
    case .failure(let fault): throw .permerror(fault.message)
    }
  }
}
