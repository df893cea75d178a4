// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Addressing
import DNS
import Environment
import Foundation
import Mail
import SPF
import TestSupport
import Testing

/// One test of the openspf suites, which Debian's python3-spf brings along.
struct OpenSPFCase: Decodable, Sendable, CustomTestStringConvertible {
  var name: String
  var zone: String
  var client: String
  var helo: String
  var from: String
  /// The preferred result first.
  var results: [String]
  var explanation: String?

  var testDescription: String { name }

  static let rfc7208 = Result { try load("7208") }
  static let rfc4408 = Result { try load("4408") }

  private static func load(_ rfc: String) throws -> [OpenSPFCase] {
    let tool = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Tools/openspf-cases")
    let process = Process()
    process.executableURL = tool
    process.arguments = [rfc]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let json = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Missing(description: "install the Debian packages python3-spf and python3-yaml")
    }
    return try JSONDecoder().decode([OpenSPFCase].self, from: json)
  }

  struct Missing: Error, CustomStringConvertible {
    let description: String
  }

  func query() throws -> SPFQuery {
    SPFQuery(
      client: try #require(IPAddress(client)), mailFrom: Mailbox(envelope: MailText(from)),
      helo: MailText(helo), receiver: "receiver.example")
  }
}
