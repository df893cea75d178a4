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
  /// SPF records, evaluated.
  case spfRecord = "spf-record"
  /// The same with libspf2.
  case spfLibrary = "spf-libspf2"
  /// Macros of SPF.
  case spfMacro = "spf-macro"
  /// Authentication-Results of other hosts.
  case authenticationResults = "authentication-results"
  /// Access maps as text.
  case accessFile = "access-file"
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
  /// Tokens that let released mail pass.
  case releaseToken = "release-token"
  /// What an SMTP server says to whom it is handed mail.
  case smtpServer = "smtp-server"

  /// What does not hold for these bytes, or nil. A trap is the other way to fail.
  ///
  /// They are tried as they are, and once more with each byte replaced by a word that the
  /// grammar knows, which leads deeper into the parser.
  package func fault(_ bytes: [UInt8]) -> String? {
    if let fault = check(bytes) { return fault }
    let words = words
    guard !words.isEmpty else { return nil }
    let squeezed = bytes.flatMap { words[Int($0) % words.count] }
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
    case .spfRecord: Self.checkSPFRecord(bytes)
    case .spfLibrary: Self.checkSPFLibrary(bytes)
    case .spfMacro: Self.checkSPFMacro(bytes)
    case .authenticationResults: Self.checkAuthenticationResults(bytes)
    case .accessFile: Self.checkAccessFile(bytes)
    case .mimeTree: Self.checkMIMETree(bytes)
    case .mimeParameters: Self.checkParameters(bytes)
    case .encodedWords: Self.checkEncodedWords(bytes)
    case .surgery: Self.checkSurgery(bytes)
    case .archive: Self.checkArchive(bytes)
    case .releaseToken: Self.checkReleaseToken(bytes)
    case .smtpServer: Self.checkSMTPServer(bytes)
    }
  }

  /// What an input is made of in the second try.
  private var words: [[UInt8]] {
    switch self {
    case .configuration: Self.letters("[]=:#;,/ \t\nahelomdti019")
    case .milterPackets:
      Self.letters([0, 0, 0, 1, 2, 5, 9] + Array("+-24abcdefhilmpqrsty O\r\n45".utf8))
    case .smtpReply: Self.letters(Array("% a\n".utf8) + [0x1E, 0x0D, 0xC3, 0xA9])
    case .dynamicName: Self.letters("0123456789abcdef-._:[]pxdlynu")
    case .mailbox: Self.letters("<>@\"\\.,:[]() a1")
    case .controlRequest: []
    case .tripletCSV: Self.letters(",\"%\n\r.:/@0123456789abe-")
    case .spfRecord, .spfLibrary:
      [
        " a", " mx", " ptr", " all", " -all", " include:", " exists:", " ip4:", " ip6:",
        " redirect=", " exp=", "0.example", "1.example", "2.example", "a.example", "b.example",
        "l.example", "t.example", "n.example", "192.0.2.0", "2001:db8::", "/24", "//64", "/0",
        "%{i}", "%{d}", "%{p}", "%{l1r-}", "%{", "%", ":", " ?", " ~", " -", "\u{1E}", "\u{1E}",
        "v=spf1",
      ].map { Array($0.utf8) }
    case .spfMacro:
      [
        "%{", "}", "s", "l", "o", "d", "i", "p", "v", "h", "c", "r", "t", "S", "L", "D", "P", "1",
        "2", "9", "0", "r", "R", "-", "+", ",", "/", "_", "=", ".", "%%", "%_", "%-", " ", "a",
        "example", "%{d}", "%{l}", "\u{1E}",
      ].map { Array($0.utf8) }
    case .authenticationResults:
      [
        "mx.example.org", ";", ";", " ", "\n\t", "=", "=", ".", "/", "1", "(", ")", "\"", "\\",
        "spf", "dkim", "pass", "fail", "none", "reason", "smtp", "mailfrom", "header", "d", "@",
        "a.example", "\u{E9}", "\u{7F}", "-",
      ].map { Array($0.utf8) }
    case .accessFile:
      [
        "\n", "\n", "\n", " ", "\t", ":", "!", "#", "@", ".", "SPF-Fail", "From", "To", "Connect",
        "ann", "mail.example.com", "example.com", "com", "192.0.2", "OK", "REJECT", "TEMPFAIL",
        "ERROR:", "\"", "550", "451", "5.7.1", "4.7.1", "999", "text", "\r", "\u{E9}", "\u{7F}",
      ].map { Array($0.utf8) }
    case .encodedWords: Self.letters("=?uUtTfF-8?bBqQ? =?\t7*AZaz09+/")
    case .releaseToken:
      [
        "v=1", ";", ";", " ", "\r\n ", "ref=K7Q2M9XA4T", "id=", "until=", "fields=", "mac=", "=",
        "-",
        "+", "0", "1", "9", "a", "F", "00000000000000000000000000000000", "\u{E9}",
        "9223372036854775807",
        "v=1; ref=K7Q2M9XA4T; id=00000000000000000000000000000000; until=1; fields=1; mac=",
        "0000000000000000000000000000000000000000000000000000000000000000", "v=2", "\u{0}",
      ].map { Array($0.utf8) }
    case .smtpServer:
      [
        "220 mx\r\n", "250-mx\r\n", "250 8BITMIME\r\n", "250-SIZE 1000\r\n", "250-SMTPUTF8\r\n",
        "250 ok\r\n", "250 ok\r\n", "250\r\n", "354 go\r\n", "451 4.3.0 later\r\n", "550 no\r\n",
        "421 bye\r\n", "\n", "\r", "2", "5", "0", "-", " ", "SIZE", "SIZE -1",
        "999999999999999999999",
        "\u{0}", "\u{1B}[31m", "\u{E9}", "x",
      ].map { Array($0.utf8) }
    // They make words of their own.
    case .mimeTree, .mimeParameters, .surgery, .archive: []
    }
  }

  private static func letters(_ letters: String) -> [[UInt8]] { self.letters(Array(letters.utf8)) }
  private static func letters(_ letters: [UInt8]) -> [[UInt8]] { letters.map { [$0] } }
}
