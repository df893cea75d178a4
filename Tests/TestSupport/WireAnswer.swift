// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import DNS

/// Reads the question of a query.
enum WireQuestion {
  /// The question, and where it ends; its type is nil when bmsd never asks for it.
  static func read(_ query: [UInt8]) -> (name: DomainName, type: RecordType?, end: Int)? {
    var labels: [ArraySlice<UInt8>] = []
    var rest = query.dropFirst(12)
    while let length = rest.popFirst(), length > 0 {
      labels.append(rest.prefix(Int(length)))
      rest = rest.dropFirst(Int(length))
    }
    let name = labels.isEmpty ? DomainName.root : DomainName(labels: labels)
    guard rest.count >= 4, let name, let high = rest.popFirst(), let low = rest.popFirst()
    else { return nil }
    return (name, RecordType(rawValue: UInt16(high) << 8 | UInt16(low)), rest.startIndex + 2)
  }
}

/// A response as a server sends it.
struct WireAnswer {
  private let query: [UInt8]
  private let questionEnd: Int
  private let response: Response
  private let question: Question

  init(_ query: [UInt8], _ questionEnd: Int, _ response: Response, _ question: Question) {
    self.query = query
    self.questionEnd = questionEnd
    self.response = response
    self.question = question
  }

  /// The message, cut after the question and marked so where it is longer than `limit`.
  func bytes(limit: Int) -> [UInt8] {
    var owner = question.name
    var records: [[UInt8]] = []
    for alias in response.aliases {
      records.append(Self.record(owner, .cname, Self.name(alias), response.timeToLive))
      owner = alias
    }
    for data in response.records {
      records.append(Self.record(owner, question.type, Self.bytes(data), response.timeToLive))
    }
    let code: UInt8
    switch response.outcome {
    case .answer, .noData: code = 0
    case .nonexistent: code = 3
    case .temporary, .bogus: return self.code(2)
    }
    // Negative answers are kept as long as the SOA record says.
    let numbers = [UInt32](repeating: 1, count: 4) + [response.timeToLive]
    let soa =
      response.isVoid
      ? [
        Self.record(
          .root, .soa, [0, 0] + numbers.flatMap(Self.four), response.timeToLive)
      ] : []
    let whole =
      header(code: code, answers: records.count, authorities: soa.count)
      + query[12..<questionEnd] + (records + soa).flatMap(\.self)
    guard whole.count > limit else { return whole }
    return header(code: code, flags: 0x86, answers: 0, authorities: 0) + query[12..<questionEnd]
  }

  /// An answer to the same query about another name.
  var toAnotherQuestion: [UInt8] {
    let other: [UInt8] = [5] + Array("other".utf8) + [7] + Array("example".utf8) + [0]
    return header(code: 0, answers: 0, authorities: 0) + other
      + query[(questionEnd - 4)..<questionEnd]
  }

  /// Only a code.
  func code(_ code: UInt8) -> [UInt8] {
    header(code: code, answers: 0, authorities: 0) + query[12..<questionEnd]
  }

  private func header(
    code: UInt8, flags: UInt8 = 0x84, answers: Int, authorities: Int
  ) -> [UInt8] {
    query.prefix(2) + [
      flags, 0x80 | code, 0, 1, UInt8(answers >> 8), UInt8(answers & 255), 0, UInt8(authorities),
      0, 0,
    ]
  }

  private static func four(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
  }

  private static func name(_ name: DomainName) -> [UInt8] {
    name.labels.flatMap { [UInt8($0.count)] + $0 } + [0]
  }

  private static func record(
    _ owner: DomainName, _ type: RecordType, _ data: [UInt8], _ timeToLive: UInt32
  ) -> [UInt8] {
    name(owner) + [0, UInt8(type.rawValue), 0, 1] + four(timeToLive)
      + [UInt8(data.count >> 8), UInt8(data.count & 255)] + data
  }

  private static func bytes(_ data: RecordData) -> [UInt8] {
    switch data {
    case .address(let address): return address.octets
    case .name(let name): return Self.name(name)
    case .exchange(let exchange):
      return [UInt8(exchange.preference >> 8), UInt8(exchange.preference & 255)]
        + name(exchange.host)
    case .text(let text):
      var bytes: [UInt8] = []
      var rest = text[...]
      repeat {
        let string = rest.prefix(255)
        bytes += [UInt8(string.count)] + string
        rest = rest.dropFirst(255)
      } while !rest.isEmpty
      return bytes
    case .authority(let soa):
      return name(soa.primary) + name(soa.mailbox)
        + [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum].flatMap(four)
    }
  }
}
