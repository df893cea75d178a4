// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Configuration
internal import Access
internal import ArgumentParser
internal import BMSDaemon
internal import Environment
internal import Glibc
internal import Mail
internal import Policies

struct AccessCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "access", abstract: "Ask the access map.", subcommands: [Lookup.self])

  struct Lookup: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show which entry decides for an identity.",
      discussion: """
        Prints the keys in the order in which they are looked up, up to the one that matches. TAG \
        is SPF-Fail, HELO-Neutral, SMTP-Auth and the like, or Connect, From or To as Sendmail \
        means them. Exit status 1 when no entry matches.
        """)

    @OptionGroup var config: ConfigFile
    @Option(
      help: ArgumentHelp(
        "Ask this map instead of [spf] access_file: a path, or hash:, cdb:, lmdb: and a path.",
        valueName: "MAP"))
    var map: String?
    @Argument(help: ArgumentHelp("The tag.", valueName: "TAG")) var tag: String
    @Argument(
      help: ArgumentHelp("A mailbox, a domain, a HELO name or an address.", valueName: "IDENTITY"))
    var identity: String
    @Flag(help: "One JSON object.") var json = false

    func run() throws {
      let map = try openMap()
      var keys: [String] = []
      let hit = look(in: map) { keys.append($0.description) }
      if json {
        print(
          Terminal.json([
            ("keys", .array(keys.map { .string($0) })), ("key", JSONValue(hit?.key.description)),
            ("value", JSONValue(hit?.value.word)),
          ]))
      } else {
        for key in keys where key != hit?.key.description { print("\(key): no entry") }
        if let hit { print("\(hit.key): \(hit.value.word)\(meaning(hit.value))") }
      }
      guard hit != nil else {
        if !json { Terminal.error("bmsd: no entry of \(map.location) matches: the default holds") }
        throw ExitCode(1)
      }
    }

    private func openMap() throws -> AccessMap {
      var text = map ?? ""
      if text.isEmpty {
        text = try config.setup().configuration.settings(SPFOptions.self).accessFile
      }
      guard !text.isEmpty else {
        Terminal.error("bmsd: there is no access map: [spf] access_file is not set")
        throw ExitCode(EX_CONFIG)
      }
      do throws(AccessTrouble) {
        let map = try AccessMap(AccessLocation(text), SystemFiles())
        for fault in map.faults { Terminal.error("bmsd: \(fault)") }
        return map
      } catch {
        Terminal.error("bmsd: \(error)")
        throw ExitCode(EX_NOINPUT)
      }
    }

    private func look(in map: AccessMap, _ looked: (MailText) -> Void) -> AccessHit? {
      switch tag.lowercased() {
      case "connect":
        let isName = !identity.contains(":") && identity.contains { $0.isLetter }
        return map.client(
          address: isName ? "" : identity, name: isName ? MailText(identity) : nil, looked: looked)
      case "from", "to":
        return map.mailbox(tag, Mailbox(envelope: MailText(identity)), looked: looked)
      default: return map.policy(tag, MailText(identity), looked: looked)
      }
    }

    private func meaning(_ value: AccessValue) -> String {
      if case .unknown = value { return " (no word of the access map: counts as REJECT)" }
      return ""
    }
  }
}
