// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Environment
internal import Store

/// Bans from list files: an address or network a line, comments begin with `#`.
struct BanFile: Sendable {
  /// A line that holds an address, for the log.
  struct Line: Sendable {
    let network: IPNetwork
    /// `/etc/mail/banned_ips.txt:12`
    let place: String
  }

  private var index = PartyIndex<Line>()
  /// What cannot be read, each as `file:line: what`; at most `maximumFaults`, then their number.
  private(set) var faults: [String] = []
  private var faultCount = 0

  /// A file of garbage shall not fill the log.
  static let maximumFaults = 10
  /// More lines than any list has; the rest is left out.
  static let maximumLines = 1_000_000

  /// Reads what `pattern` stands for; an empty one for nothing.
  init(_ pattern: String, _ files: any FileSource) {
    guard !pattern.isEmpty else { return }
    for path in files.paths(matching: pattern) {
      do {
        add(try files.read(path), path)
      } catch {
        fault("\(path): cannot be read: \(error)")
      }
    }
    let more = faultCount - Self.maximumFaults
    if more > 0 { faults.append("and \(more) more bad lines") }
  }

  /// The narrowest line that holds `ip`.
  func line(covering ip: IPAddress) -> Line? { index.values(covering: ip).first }

  private mutating func add(_ bytes: [UInt8], _ path: String) {
    var number = 0
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      number += 1
      let text = String(decoding: line.prefix { $0 != 0x23 }.prefix(200), as: UTF8.self)
      let word = text.drop(while: \.isWhitespace)
      guard let end = word.lastIndex(where: { !$0.isWhitespace }) else { continue }
      guard let network = IPNetwork(word[...end]) else {
        fault("\(path):\(number): no address or network; the line is left out")
        continue
      }
      guard network.prefixLength >= 8 else {
        fault("\(path):\(number): \(network) is most of the Internet; the line is left out")
        continue
      }
      guard index.count < Self.maximumLines else {
        fault("\(path):\(number): more than \(Self.maximumLines) lines; the rest is left out")
        return
      }
      index[.network(network)] = Line(network: network, place: "\(path):\(number)")
    }
  }

  private mutating func fault(_ text: String) {
    faultCount += 1
    if faults.count < Self.maximumFaults { faults.append(text) }
  }
}
