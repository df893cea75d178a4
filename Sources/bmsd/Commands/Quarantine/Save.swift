// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Glibc
internal import Mail

extension QuarantineCommand {
  struct Save: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write a kept message, or a part of it, to a file.",
      discussion: """
        The message becomes REF.eml, a part REF-N-NAME, in which whatever could do harm in a name is \
        an underscore. A file that is there already is not overwritten: exit status 73.
        """)

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("The message.", valueName: "REF")) var reference: String
    @Option(help: ArgumentHelp("A part, as `bmsd quarantine show` numbers it.", valueName: "N"))
    var part: String?
    @Argument(
      help: ArgumentHelp("The folder to write to.", valueName: "DIR"), completion: .directory)
    var folder: String

    func run() throws {
      // Opened first: what follows may no longer be allowed to.
      let output = try NewFileOutput(folder)
      var name = ""
      do {
        let status = try DaemonAccess(config).ask(.content(reference, part: part)) { row in
          switch row {
          case .name(let text):
            name = text
            try output.begin(text)
          case .piece(let bytes): try output.write(Array(bytes))
          default: break
          }
        }
        if status != 0 { throw ExitCode(status) }
        try output.finish()
      } catch {
        output.giveUp()
        throw error
      }
      print("\(folder)/\(name)")
    }
  }

  struct ReleaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "release", abstract: "Send a kept message to its recipients after all.",
      discussion: """
        It is handed to the MTA of [submit] smtp and passes bmsd once, unchanged. Who released it, \
        and why, stands in the trail. It stays in the quarantine. Exit status 1 when not all \
        recipients got it or it did not come past bmsd, 75 when the MTA defers it; needs the daemon.
        """)

    @OptionGroup var config: ConfigFile
    @Argument(help: ArgumentHelp("The message.", valueName: "REF")) var reference: String
    @Option(help: ArgumentHelp("Only this part, attached to a note.", valueName: "N"))
    var part: String?
    @Option(help: ArgumentHelp("To this address instead.", valueName: "ADDR")) var to: String?
    @Option(
      name: .customLong("as"),
      help: """
        As it came (original, the default), or attached to a note as message/rfc822; a part is \
        always attached.
        """)
    var form: ReleaseRequest.Form?
    @Option(
      help: ArgumentHelp(
        "Why, for whoever reads the trail: at most 1000 bytes.", valueName: "TEXT"))
    var reason = ""

    func validate() throws {
      guard part == nil || form != .original else {
        throw ValidationError("--part sends a part attached to a note: --as original is not for it")
      }
    }

    func run() throws {
      let status = try DaemonAccess(config).ask(
        .release(
          ReleaseRequest(
            reference: reference, form: form ?? (part == nil ? .original : .attached), part: part,
            recipient: to, reason: reason))
      ) { row in
        guard case .sent(let recipients, let reply) = row else { return }
        print("sent to \(recipients.map(\.description).joined(separator: ", "))")
        print("the MTA said: \(reply)")
      }
      if status != 0 { throw ExitCode(status) }
    }
  }
}

extension ReleaseRequest.Form: ExpressibleByArgument {}

/// A new file in a folder that somebody named, never anywhere else.
private final class NewFileOutput {
  private let folder: Int32
  private let path: String
  private var file: Int32 = -1
  private var name = ""

  init(_ path: String) throws {
    self.path = path
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder < 0 { throw Self.failure("\(path): \(String(cString: strerror(errno)))") }
  }

  deinit {
    if file >= 0 { close(file) }
    close(folder)
  }

  func begin(_ name: String) throws {
    // The daemon made it harmless; nothing is lost by asking again.
    guard file < 0, !name.isEmpty, !name.hasPrefix("."), !name.utf8.contains(0x2F),
      !name.utf8.contains(0)
    else { throw Self.failure("\(MailText(name)) is no name for a file") }
    file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      throw Self.failure("\(path)/\(name): \(String(cString: strerror(errno)))")
    }
    self.name = name
  }

  func write(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw Self.failure("\(path)/\(name): \(String(cString: strerror(errno)))")
      }
      rest = rest.dropFirst(count)
    }
  }

  func finish() throws {
    let descriptor = file
    file = -1
    guard descriptor >= 0 else { throw Self.failure("nothing came") }
    guard close(descriptor) == 0 else {
      throw Self.failure("\(path)/\(name): \(String(cString: strerror(errno)))")
    }
    name = ""
  }

  /// Takes back what was begun.
  func giveUp() {
    if !name.isEmpty { unlinkat(folder, name, 0) }
  }

  private static func failure(_ message: String) -> ExitCode {
    Terminal.error("bmsd: \(message)")
    return ExitCode(EX_CANTCREAT)
  }
}
