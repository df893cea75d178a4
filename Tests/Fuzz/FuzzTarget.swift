// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A parser that meets bytes of others, with what must hold whatever they are.
///
/// `make fuzz` runs each with libFuzzer; the ordinary tests run each on every file of its folder in
/// `Tests/Fuzz/Corpus`, where what was found is kept.
package enum FuzzTarget: String, Sendable, CaseIterable {
  /// The configuration file.
  case configuration
  /// What a filter sends to an MTA, as `MilterClient` reads it.
  case milterPackets = "milter-packets"
  /// The text of a refusal, as it goes to libmilter.
  case smtpReply = "smtp-reply"
  /// Names of clients that look like those of dynamic lines.
  case dynamicName = "dynamic-name"
  /// Reverse-paths and forward-paths.
  case mailbox
  /// Request lines of the control socket.
  case controlRequest = "control-request"
  /// Greylists as text.
  case tripletCSV = "triplet-csv"
  /// Messages, taken apart.
  case mimeTree = "mime-tree"
  /// Parameters of the fields of MIME.
  case mimeParameters = "mime-parameters"
  /// Encoded words (RFC 2047).
  case encodedWords = "encoded-words"
  /// Messages out of which attachments are cut.
  case surgery
  /// Archives.
  case archive

  /// What does not hold for these bytes, or nil. A trap is the other way to fail.
  ///
  /// They are tried as they are, and once more with each byte replaced by one that the grammar
  /// knows, which leads deeper into the parser.
  package func fault(_ bytes: [UInt8]) -> String? {
    if let fault = check(bytes) { return fault }
    guard !alphabet.isEmpty else { return nil }
    let squeezed = bytes.map { alphabet[Int($0) % alphabet.count] }
    return check(squeezed).map { "\($0), for \(String(decoding: squeezed, as: UTF8.self))" }
  }

  private func check(_ bytes: [UInt8]) -> String? {
    switch self {
    case .configuration: Self.checkConfiguration(bytes)
    case .milterPackets: Self.checkMilterPackets(bytes)
    case .smtpReply: Self.checkReply(bytes)
    case .dynamicName: Self.checkDynamicName(bytes)
    case .mailbox: Self.checkMailbox(bytes)
    case .controlRequest: Self.checkRequest(bytes)
    case .tripletCSV: Self.checkTripletCSV(bytes)
    case .mimeTree: Self.checkMIMETree(bytes)
    case .mimeParameters: Self.checkParameters(bytes)
    case .encodedWords: Self.checkEncodedWords(bytes)
    case .surgery: Self.checkSurgery(bytes)
    case .archive: Self.checkArchive(bytes)
    }
  }

  private var alphabet: [UInt8] {
    switch self {
    case .configuration: Array("[]=:#;,/ \t\nahelomdti019".utf8)
    case .milterPackets: [0, 0, 0, 1, 2, 5, 9] + Array("+-24abcdefhilmpqrsty O\r\n45".utf8)
    case .smtpReply: Array("% a\n".utf8) + [0x1E, 0x0D, 0xC3, 0xA9]
    case .dynamicName: Array("0123456789abcdef-._:[]pxdlynu".utf8)
    case .mailbox: Array("<>@\"\\.,:[]() a1".utf8)
    case .controlRequest: []
    case .tripletCSV: Array(",\"%\n\r.:/@0123456789abe-".utf8)
    case .encodedWords: Array("=?uUtTfF-8?bBqQ? =?\t7*AZaz09+/".utf8)
    // They make words of their own.
    case .mimeTree, .mimeParameters, .surgery, .archive: []
    }
  }
}
