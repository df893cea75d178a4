// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

extension Response {
  /// What the message of a server says about `question`.
  ///
  /// The message must repeat the question. Aliases are followed within its answer section.
  init(_ bytes: [UInt8], to question: Question) {
    do throws(MessageFault) {
      self.init(try Message(bytes), to: question)
    } catch {
      self.init(.temporary(.malformed(error.what)))
    }
  }

  init(_ message: Message, to question: Question) {
    guard message.code == Self.noError || message.code == Self.nameError else {
      self.init(.temporary(.serverFailure(code: message.code)))
      return
    }
    guard message.question == question else {
      self.init(.temporary(.malformed("it answers another question")))
      return
    }
    guard !message.isTruncated else {
      self.init(.temporary(.malformed("it is truncated")))
      return
    }
    var name = question.name
    var aliases: [DomainName] = []
    var timeToLive = UInt32.max
    while true {
      let records = message.answers.filter { $0.type == question.type && $0.name == name }
      if !records.isEmpty {
        timeToLive = records.reduce(timeToLive) { min($0, $1.timeToLive) }
        self.init(.answer(records.map(\.data)), aliases: aliases, timeToLive: timeToLive)
        return
      }
      guard let alias = message.answers.first(where: { $0.type == .cname && $0.name == name }),
        case .name(let target) = alias.data
      else { break }
      guard aliases.count < longestAliasChain else {
        self.init(.temporary(.aliasLoop), aliases: aliases)
        return
      }
      timeToLive = min(timeToLive, alias.timeToLive)
      aliases.append(target)
      name = target
    }
    self.init(
      message.code == Self.nameError ? .nonexistent : .noData, aliases: aliases,
      timeToLive: min(timeToLive, Self.negativeTimeToLive(message)))
  }

  /// RFC 1035 §4.1.1.
  private static let noError: UInt8 = 0
  private static let nameError: UInt8 = 3

  /// For how long a negative answer holds: the smaller of the SOA record's own time and its
  /// minimum (RFC 2308 §5); without an SOA record it must not be kept.
  private static func negativeTimeToLive(_ message: Message) -> UInt32 {
    for record in message.authorities {
      if case .authority(let soa) = record.data { return min(record.timeToLive, soa.minimum) }
    }
    return 0
  }
}
