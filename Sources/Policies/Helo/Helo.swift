// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
package import Configuration
package import Mail
internal import Milter
package import Policy

/// Checks how a stranger introduces itself: its HELO name and its PTR name.
///
/// Runs early because it needs neither DNS nor state. Internal clients are exempt (copiers and
/// cameras say anything), and so are trusted relays; clients that authenticate are let off by the
/// runner.
package struct Helo: PolicyModule {
  package struct Options: PolicySection {
    package static let name = "helo"
    package static let summary = "Refuse strangers whose HELO or PTR name is a lie"
    package static var shippedMode: Mode? { .observe }

    package let helloBlacklist = ConfigOption(
      "hello_blacklist", default: [] as TextList, formerly: ["milter.hello_blacklist"],
      help: """
        Names that no stranger may use in HELO, such as our own domain and mail exchangers. Our \
        hostname is always one of them. Case does not matter.
        """)
    package let rejectNumeric = ConfigOption(
      "reject_numeric", default: true,
      help: "Refuse a bare IP address as HELO name; a literal in brackets is allowed.")
    package let require = ConfigOption(
      "require", default: true,
      help: "Refuse mail from a client that gave no HELO name at all.")

    package init() {}
  }

  /// Why mail is refused or demerits are counted.
  package enum Code: String, ReasonCode {
    case ownName = "own-name"
    case numeric
    case missing
    case badPTR = "bad-ptr"

    package var sentence: String {
      switch self {
      case .ownName: "The client introduced itself as {detail}, which is a name of ours."
      case .numeric:
        "The client introduced itself with a bare IP address, {detail}, instead of a name."
      case .missing: "The client began a message without introducing itself by HELO or EHLO."
      case .badPTR: "The reverse name of the client's address is {detail}, which no stranger has."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }

  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var provides: [any Fact.Type] { [] }
  package static var isForStrangersOnly: Bool { true }

  private static let ownNameDemerits = 4
  private static let repeatedDemerits = 2

  let blacklist: Set<MailText>
  let rejectsNumeric: Bool
  let requiresName: Bool

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    if let glob = settings.helloBlacklist.items.first(where: { $0.contains("*") }) {
      throw SetupError(
        option: "helo.hello_blacklist",
        "\"\(glob)\" matches nothing: names are compared as a whole, list each")
    }
    blacklist = Set(settings.helloBlacklist.items.map { Self.folded(MailText($0)) })
    rejectsNumeric = settings.rejectNumeric
    requiresName = settings.require
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: ConnectStage, HelloStage, SenderStage {
    let module: Helo
    init(module: Helo) { self.module = module }

    package func connect(_ t: Transaction) -> Verdict {
      guard module.isStranger(t) else { return .proceed }
      return module.reverseNameVerdict(t)
    }

    package func hello(_ name: MailText, _ t: Transaction) -> Verdict {
      if t.messagesBegun > 0 { t.addDemerits(Helo.repeatedDemerits) }
      guard module.isStranger(t) else { return .proceed }
      return module.nameVerdict(name, t)
    }

    package func sender(_ t: Transaction) -> Verdict {
      guard module.requiresName, t.hello == nil, module.isStranger(t) else { return .proceed }
      return .refuse(
        .permanent(code: 3, 5, 1, "Send HELO or EHLO first"),
        Reason(
          module: Options.name, code: Code.missing.rawValue, option: "helo.require"))
    }
  }

  private func isStranger(_ t: Transaction) -> Bool {
    guard let client = t[ClientClassFact.self] else { return true }
    if client.isInternal || client.isTrusted || client.isLoopback {
      t.note(client.words)
      return false
    }
    if t.isFromOwnAddress {
      t.note("our own address")
      return false
    }
    return true
  }

  /// `localhost` and the root are no names for an address that is neither.
  private func reverseNameVerdict(_ t: Transaction) -> Verdict {
    let names = [t.peer.hostName, t.reverseName ?? ""]
    guard let name = names.first(where: { Self.folded($0) == "localhost" || $0 == "." }) else {
      return .proceed
    }
    return .refuse(
      .permanent(7, 25, "Your reverse DNS name \(name) is not a reasonable one"),
      Reason(module: Options.name, code: Code.badPTR.rawValue, detail: "\(name)"))
  }

  private func nameVerdict(_ name: MailText, _ t: Transaction) -> Verdict {
    if rejectsNumeric, Self.isNumeric(name) {
      return .refuse(
        .permanent(7, 1, "HELO name must not be a bare IP address"),
        Reason(
          module: Options.name, code: Code.numeric.rawValue, detail: "\(name)",
          option: "helo.reject_numeric"))
    }
    let folded = Self.folded(name)
    let isListed = blacklist.contains(folded)
    let isOwn = t[ClientClassFact.self]?.ownName.map { Self.folded($0) == folded } ?? false
    guard isListed || isOwn else { return .proceed }
    t.addDemerits(Self.ownNameDemerits)
    return .refuse(
      .permanent(7, 1, "Your name is not \(name)"),
      Reason(
        module: Options.name, code: Code.ownName.rawValue, detail: "\(name)",
        option: isListed ? "helo.hello_blacklist" : "network.hostname"))
  }

  /// An address in any spelling that some resolver takes for one (`127.1`, `01.02.03.04`), or a
  /// literal that lacks its final bracket.
  private static func isNumeric(_ name: MailText) -> Bool {
    let bare = folded(name)
    if bare.bytes.first == 0x5B { return bare.bytes.last != 0x5D }
    let isDigits = bare.bytes.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
    return (isDigits && !bare.isEmpty) || IPAddress(bare.description) != nil
  }

  /// Case and a final dot make no other name.
  private static func folded(_ name: MailText) -> MailText {
    let lower = name.lowercased
    return lower.bytes.last == 0x2E ? MailText(lower.bytes.dropLast()) : lower
  }
}
