// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import CSPF2
internal import DNS
internal import Environment
internal import Mail

/// What libspf2 asks through during one check; it lives as long as the check and on its thread.
///
/// The library counts terms anew in each included record and counts no void lookups. Here every
/// question counts once, except for the first record, and for the addresses of exchanges and names
/// that an earlier answer has given.
final class LibSPF2Door {
  private(set) var lookups: [SPFLookup] = []
  private(set) var termCount = 0
  private(set) var voidCount = 0

  private let query: SPFQuery
  private let resolver: any Resolver
  private let time: any TimeSource
  private let deadline: Deadline
  /// Names whose addresses belong to an `mx` or `ptr` that was counted.
  private var counted: Set<DomainName> = []
  /// Names of the client, of which those without an address count for nothing (RFC 7208 §5.5).
  private var pointers: Set<DomainName> = []
  /// Why the check must end, and with which result.
  private var stop: (result: SPFResult, problem: String)?

  init(_ query: SPFQuery, _ evaluator: SPFEvaluator, by deadline: Deadline) {
    self.query = query
    resolver = evaluator.resolver
    time = evaluator.time
    self.deadline = deadline
  }

  /// Runs the library.
  func check(_ sender: [UInt8], _ receiver: [UInt8]) -> (SPFResult, problem: String?) {
    var problem = [CChar](repeating: 0, count: 200)
    let helo = String(decoding: query.helo.bytes, as: UTF8.self)
    let result = cspf2_check(
      query.client.description, query.client.isIPv4, helo,
      String(decoding: sender, as: UTF8.self), String(decoding: receiver, as: UTF8.self),
      { context, name, type, answer in
        guard let context, let name, let answer else { return CSPF2_FAILURE }
        let door = Unmanaged<LibSPF2Door>.fromOpaque(context).takeUnretainedValue()
        return door.fetch(String(cString: name), type) { bytes in
          bytes.withUnsafeBytes { cspf2_add(answer, $0.baseAddress, $0.count) }
        }
      }, Unmanaged.passUnretained(self).toOpaque(), &problem, problem.count)
    if let stop { return stop }
    let message = "\(MailText(problem.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }))"
    let word = Self.result(result)
    if result == CSPF2_BROKEN { return (.temperror, "libspf2 failed") }
    let isError = word == .permerror || word == .temperror
    return (word, isError && !message.isEmpty ? message : nil)
  }

  private static func result(_ result: cspf2_result) -> SPFResult {
    switch result {
    case CSPF2_NEUTRAL: .neutral
    case CSPF2_PASS: .pass
    case CSPF2_FAIL: .fail
    case CSPF2_SOFTFAIL: .softfail
    case CSPF2_NONE: .none
    case CSPF2_PERMERROR: .permerror
    default: .temperror
    }
  }

  /// Answers one question of the library.
  private func fetch(_ text: String, _ type: Int32, _ add: ([UInt8]) -> Void) -> cspf2_status {
    guard stop == nil else { return CSPF2_FAILURE }
    guard let type = UInt16(exactly: type).flatMap(RecordType.init(rawValue:)) else {
      return CSPF2_NO_DATA
    }
    // A name that no query can be made of does not exist.
    guard let name = DomainName(text) else { return CSPF2_NO_NAME }
    let isTerm = isTerm(name, type)
    if isTerm { termCount += 1 }
    guard termCount <= SPFLimits.official.terms else {
      return end(.permerror, "more than \(SPFLimits.official.terms) terms ask DNS")
    }
    guard !deadline.isOver else { return end(.temperror, "out of time") }
    let response = ask(Question(name, type), isTerm)
    if response.isVoid, isTerm, type != .txt {
      voidCount += 1
      if voidCount > SPFLimits.official.voidTerms {
        return end(
          .permerror, "more than \(SPFLimits.official.voidTerms) lookups find nothing")
      }
    }
    switch response.outcome {
    case .noData: return CSPF2_NO_DATA
    case .nonexistent: return CSPF2_NO_NAME
    case .temporary, .bogus: return pointers.contains(name) ? CSPF2_NO_DATA : CSPF2_FAILURE
    case .answer: break
    }
    if type == .mx, response.exchanges.count > SPFLimits.official.names {
      return end(.permerror, "\(name) has more than \(SPFLimits.official.names) MX records")
    }
    for bytes in Self.records(response, type) { add(bytes) }
    return CSPF2_FOUND
  }

  private func end(_ result: SPFResult, _ problem: String) -> cspf2_status {
    stop = (result, problem)
    return CSPF2_FAILURE
  }

  /// Whether a question is that of a term of a record, which is counted.
  private func isTerm(_ name: DomainName, _ type: RecordType) -> Bool {
    switch type {
    case .txt: !lookups.isEmpty
    case .a, .aaaa: counted.remove(name) == nil
    default: true
    }
  }

  private func ask(_ question: Question, _ isTerm: Bool) -> Response {
    let began = time.monotonic
    let response = resolver.resolve(question, by: deadline)
    counted.formUnion(response.exchanges.map(\.host))
    if question.type == .ptr {
      counted.formUnion(response.names)
      pointers.formUnion(response.names)
    }
    lookups.append(
      SPFLookup(
        question: question, outcome: response.outcome.word, recordCount: response.records.count,
        term: isTerm ? termCount : 0, elapsed: time.monotonic - began,
        isFromCache: response.isFromCache))
    return response
  }

  /// The records as the library wants them, without a byte 0 in a text.
  private static func records(_ response: Response, _ type: RecordType) -> [[UInt8]] {
    switch type {
    case .a: response.addresses.filter(\.isIPv4).map(\.octets)
    case .aaaa: response.addresses.filter { !$0.isIPv4 }.map(\.octets)
    case .mx: response.exchanges.filter { !$0.host.isRoot }.map(\.host.text).filter(isName)
    case .ptr: response.names.prefix(SPFLimits.official.names).map(\.text).filter(isName)
    // The library would end the text there; any other byte that a record must not have will do.
    case .txt: response.texts.map { $0.map { $0 == 0 ? 0x7F : $0 } }
    case .ns, .cname, .soa: []
    }
  }

  private static func isName(_ text: [UInt8]) -> Bool {
    text.allSatisfy { (0x21...0x7E).contains($0) }
  }
}
