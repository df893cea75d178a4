// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration

/// A section without a mode, with one option of each kind.
struct Server: Section {
  static let name = "server"
  static let summary = "Where the server listens. It has an option of every kind, for tests."
  let socket = ConfigOption(
    "socket", default: "unix:/run/bms/bms.sock", shipped: "unix:/var/spool/bms.sock",
    formerly: ["socketname"], needsRestart: true, help: "The socket. A dash - and a \\ are kept.")
  let socketMode = ConfigOption(
    "socket_mode", default: FileMode(0o660), help: "The mode of the socket.")
  let timeout = ConfigOption(
    "timeout", default: TimeSpan.seconds(600), in: .seconds(1)...(.hours(1)), unit: "s",
    help: "How long to wait for the MTA.")
  let keep = ConfigOption(
    "keep", default: TimeSpan.days(36), unit: "d", formerly: ["old.retain"],
    help: "How long to keep what was seen.")
  let maxSessions = ConfigOption(
    "max_sessions", default: 1000, in: 1...100_000, help: "The most sessions at a time.")
  let maxSize = ConfigOption(
    "max_size", default: ByteSize.megabytes(10), help: "The most that is looked at.")
  let noUnit = ConfigOption("no_unit", default: TimeSpan.minutes(5), help: "A wait.")
  let words = ConfigOption("words", default: TextList(["a", "b c"]), help: "Some words.")
  let networks = ConfigOption<Networks>(
    "networks", default: ["127.0.0.0/8", "::1"], shipped: ["127.0.0.0/8", "::1"],
    help: "Networks that are ours.")
  let ports = ConfigOption("ports", default: PortList([465, 587]), help: "Ports.")
  let always = ConfigOption(
    "always", default: AddressSet(), shipped: ["postmaster@", "abuse@"], help: "Always accepted.")
  let keyFile = ConfigOption("key_file", default: FilePath(""), help: "The key.")
  let secret = ConfigOption("secret", default: Secret(""), help: "The key of signatures.")
  let verbose = ConfigOption("verbose", default: false, help: "Say more.")
}

/// A policy section that the shipped file observes.
struct Helo: PolicySection {
  static let name = "helo"
  static let summary = "Checks what clients say in HELO."
  static var shippedMode: Mode? { .observe }
  let rejectNumeric = ConfigOption("reject_numeric", default: true, help: "Refuse numbers.")
  let require = ConfigOption("require", default: true, help: "Refuse clients without HELO.")
  let blacklist = ConfigOption(
    "hello_blacklist", default: TextList(), formerly: ["milter.hello_blacklist"],
    help: "Our own names.")
}

/// A policy section that the shipped file leaves out.
struct Defang: PolicySection {
  static let name = "defang"
  static let summary = "Replaces dangerous attachments."
  static var defaultOnError: OnError { .tempfail }
  let scanZip = ConfigOption(
    "scan_zip", default: false, formerly: ["milter.scan_zip"], help: "Look into archives.")
}

let sampleSections: [any Section.Type] = [Server.self, Helo.self, Defang.self]

let sampleComing = [
  ComingSection("srs", note: "sender rewriting comes in a later release."),
  ComingSection("milter", keys: ["datadir", "logdir"], note: "the store takes its place."),
  ComingSection("server", keys: ["errors_url"], note: "web explanations come later."),
]

func parse(_ text: String, files: [String: String] = [:]) -> Configuration {
  Configuration(
    text: text, name: "/etc/mail/bms.conf", sections: sampleSections, coming: sampleComing,
    read: reader(files))
}

func reader(_ files: [String: String]) -> @Sendable (String) throws -> [UInt8] {
  { path throws in
    guard let text = files[path] else { throw FileReader.Failure("no such file") }
    return Array(text.utf8)
  }
}

extension Configuration {
  /// The faults without the name of the file.
  var shortFaults: [String] {
    faults.map { "\($0)".replacing("/etc/mail/bms.conf:", with: "") }
  }
}
