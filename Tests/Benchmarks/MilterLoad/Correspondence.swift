// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import Mail
import MilterClient
import SampleMail

/// One client with the mail it sends: 2 KB with 12 header fields.
struct Correspondence {
  /// How many clients are known beforehand, each with an address and a sender of its own.
  static let knownClients = 10_000

  let address: IPAddress
  let name: String
  let sender: String
  /// The sender's domain.
  private(set) var domain: String
  static let recipient = "user@example.org"

  /// Client `number` of those whose mail passed before, in 198.18.0.0/16.
  static func known(_ number: Int) -> Correspondence {
    Correspondence(number % knownClients, network: 0xC612_0000)
  }

  /// One of as many known clients as there are numbers: each of them sends once.
  static func once(_ number: Int) -> Correspondence {
    Correspondence(number, network: 0xC612_0000)
  }

  /// A client of our own network, whose mail asks DNS nothing.
  static func ours(_ number: Int) -> Correspondence {
    Correspondence(number % 250, network: 0x7F00_0000)
  }

  /// How many trusted forwarders there are.
  static let forwarders = 1_000

  /// A trusted forwarder, at its one address in 198.51.0.0/16.
  static func forwarder(_ number: Int) -> Correspondence {
    var forwarder = Correspondence(number % forwarders, network: 0xC633_0000)
    forwarder.domain = "forwarder-\(number % forwarders).example.net"
    return forwarder
  }

  /// A sender that nobody knows, from 198.19.0.0/16.
  static func stranger(_ number: Int) -> Correspondence {
    Correspondence(number, network: 0xC613_0000)
  }

  private init(_ number: Int, network: UInt32) {
    // Hosts 1 to 250 of each /24: none has a network's or a broadcast's address.
    let host = UInt32(number % 62_500)
    address = IPAddress(v4: network | (host / 250) << 8 | (host % 250 + 1))
    let word = Self.word(number)
    domain = "\(word).example.com"
    name = "mail.\(domain)"
    sender = "\(word)@\(domain)"
  }

  /// Letters only: greylisting leaves the digits of an address out of its key.
  private static func word(_ number: Int) -> String {
    let letters = Array("bcdfghklmnprstvz")
    var rest = number
    var word = ""
    repeat {
      word.append(letters[rest % letters.count])
      rest /= letters.count
    } while rest > 0
    return "s" + word
  }

  /// The macros that Postfix sends by default, as far as they have values here.
  static func macros(queueID: String) -> [WireStage: [String: MailText]] {
    let id = MailText(queueID)
    return [
      .connect: [
        "j": "mx.example.org", "{daemon_name}": "mx.example.org", "{daemon_addr}": "192.0.2.25",
        "{daemon_port}": "25", "v": "Postfix 3.7.11",
      ],
      .rcpt: [
        "i": id, "{rcpt_mailer}": "local", "{rcpt_host}": "example.org",
        "{rcpt_addr}": MailText(recipient),
      ],
      .mail: ["{mail_mailer}": "smtp", "{mail_host}": "example.com", "{mail_addr}": "a@b"],
      .data: ["i": id], .endOfHeaders: ["i": id], .endOfMessage: ["i": id],
    ]
  }

  /// The header fields of a message with this number.
  func headers(_ number: Int) -> [HeaderField] {
    let received = """
       from \(name) (\(name) [\(address)])\n\tby relay.example.com (Postfix) with ESMTPS id 4Z\(number)\
      \n\tfor <\(Self.recipient)>; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)
      """
    let fields: [(String, String)] = [
      ("Received", received), ("Received", received),
      ("Message-ID", " <\(number).1795255200@\(name)>"),
      ("Date", " Sat, 21 Nov 2026 10:00:00 +0000"), ("From", " A Sender <\(sender)>"),
      ("To", " A Recipient <\(Self.recipient)>"), ("Subject", " Minutes of meeting \(number)"),
      ("MIME-Version", " 1.0"), ("Content-Type", " text/plain; charset=utf-8"),
      ("Content-Transfer-Encoding", " 7bit"), ("User-Agent", " Mail Agent 1.0"),
      ("Content-Language", " en-GB"),
    ]
    return fields.map { HeaderField(name: MailText($0), rawValue: MailText($1)) }
  }

  /// Messages of three sizes.
  static let mix: [EditedMessage] = [Samples.text, Samples.html, Samples.attachments].map {
    EditedMessage(parsing: $0)
  }

  /// What is left of 2 KB behind the header, in lines of 72 bytes.
  static let body: [UInt8] = {
    let line = String(repeating: "all work and no play ", count: 4).prefix(70) + "\r\n"
    return Array(String(repeating: String(line), count: 16).utf8)
  }()
}
