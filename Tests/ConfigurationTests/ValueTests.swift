// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Configuration
import Mail
import Testing

/// Reads a value and checks that its text reads back.
private func read<Value: OptionValue>(
  _ type: Value.Type, _ text: String, _ context: ParsingContext = ParsingContext()
) throws -> Value {
  let value = try Value(parsing: text, context)
  #expect(try Value(parsing: value.text, context) == value)
  return value
}

@Suite struct ValueTests {
  @Test(
    arguments: [
      ("5m", 300_000, "5m"), ("6h", 21_600_000, "6h"), ("36d", 3_110_400_000, "36d"),
      ("30s", 30_000, "30s"), ("250ms", 250, "250ms"), ("90 s", 90_000, "90s"),
      ("2w", 1_209_600_000, "14d"),
      ("120m", 7_200_000, "2h"), ("7", 420_000, "7m"), ("0", 0, "0s"), ("0d", 0, "0s"),
      ("36525d", 3_155_760_000_000, "36525d"),
    ])
  func durations(_ text: String, _ milliseconds: Int, _ canonical: String) throws {
    let value = try read(TimeSpan.self, text, ParsingContext(unit: "m"))
    #expect(value.milliseconds == milliseconds)
    #expect(value.text == canonical)
    #expect(value.seconds == milliseconds / 1000)
    #expect(value.duration == .milliseconds(milliseconds))
  }

  @Test(
    arguments: [
      "", "m", "-5m", "+5m", "5x", "5M", "1.5h", "5 minutes", "1h30m", "36526d", "٣m",
      "99999999999999999999d", "9223372036854775807w",
    ])
  func badDurations(_ text: String) {
    #expect(throws: ValueError.self) {
      try TimeSpan(parsing: text, ParsingContext(unit: "m"))
    }
  }

  @Test func bareNumberNeedsAUnit() throws {
    #expect(throws: ValueError("'5' has no unit: write 5s, 5m or 5h")) {
      try TimeSpan(parsing: "5", ParsingContext())
    }
    #expect(try read(TimeSpan.self, "0") == .seconds(0))
  }

  @Test func clampsSpans() {
    #expect(TimeSpan.days(.max) == .days(36_525))
    #expect(TimeSpan.days(.min) == .seconds(0))
    #expect(ByteSize.gigabytes(.max).bytes > 0)
    #expect(ByteSize.bytes(-5).bytes == 0)
  }

  @Test(
    arguments: [
      ("10M", 10 << 20, "10M"), ("1024", 1024, "1K"), ("1000", 1000, "1000"), ("0", 0, "0"),
      ("2 gb", 2 << 30, "2G"), ("5KiB", 5 << 10, "5K"), ("1T", 1 << 40, "1T"), ("7B", 7, "7"),
    ])
  func sizes(_ text: String, _ bytes: Int, _ canonical: String) throws {
    let value = try read(ByteSize.self, text)
    #expect(value.bytes == bytes)
    #expect(value.text == canonical)
  }

  @Test(arguments: [
    "", "M", "-1", "1.5G", "10X", "10MM", "1iB5", "9999999T", "99999999999999999999",
  ])
  func badSizes(_ text: String) {
    #expect(throws: ValueError.self) { try ByteSize(parsing: text, ParsingContext()) }
  }

  @Test(arguments: ["yes", "TRUE", "On", "1", "no", "False", "off", "0"])
  func booleans(_ text: String) throws {
    #expect(try read(Bool.self, text) == ["yes", "true", "on", "1"].contains(text.lowercased()))
  }

  @Test(arguments: ["", "y", "2", "yes no", "ja"])
  func badBooleans(_ text: String) {
    #expect(throws: ValueError.self) { try Bool(parsing: text, ParsingContext()) }
  }

  @Test(arguments: [("0", 0), ("-7", -7), ("007", 7), ("9223372036854775807", Int.max)])
  func numbers(_ text: String, _ value: Int) throws { #expect(try read(Int.self, text) == value) }

  @Test(arguments: ["", "-", "+1", "1.0", "0x10", "1 000", "9223372036854775808", "٣"])
  func badNumbers(_ text: String) {
    #expect(throws: ValueError.self) { try Int(parsing: text, ParsingContext()) }
  }

  @Test(arguments: [("0660", 0o660), ("660", 0o660), ("0o600", 0o600), ("07777", 0o7777), ("0", 0)])
  func fileModes(_ text: String, _ bits: UInt32) throws {
    #expect(try read(FileMode.self, text).bits == bits)
  }

  @Test(arguments: ["", "0o", "888", "10000", "rw-rw----", "-1", "000000"])
  func badFileModes(_ text: String) {
    #expect(throws: ValueError.self) { try FileMode(parsing: text, ParsingContext()) }
  }

  @Test func ports() throws {
    #expect(try read(PortList.self, "465, 587,").ports == [465, 587])
    #expect(try read(PortList.self, "").isEmpty)
    #expect(try read(PortList.self, "465").contains(465))
    for bad in ["0", "65536", "smtp", "-1", "25 26", "+5"] {
      #expect(throws: ValueError.self) { try PortList(parsing: bad, ParsingContext()) }
    }
  }

  @Test func networks() throws {
    #expect(try read(Networks.self, "").isEmpty)
    #expect(try read(Networks.self, "127.*, ::1").text == "127.*, ::1")
    #expect(throws: ValueError.self) { try Networks(parsing: "mx.test", ParsingContext()) }
    #expect(throws: ValueError.self) {
      try Networks(parsing: "10.0.0.1 10.0.0.2", ParsingContext())
    }
  }

  @Test func paths() throws {
    let context = ParsingContext(folder: "/etc/mail/")
    #expect(try read(FilePath.self, "/a/b", context).path == "/a/b")
    #expect(try read(FilePath.self, "a/b c", context).path == "/etc/mail/a/b c")
    #expect(try read(FilePath.self, "", context).isEmpty)
    for bad in ["\"/a\"", "'/a'", "~/a"] {
      #expect(throws: ValueError.self) { try FilePath(parsing: bad, context) }
    }
  }

  @Test func listsAndSecrets() throws {
    #expect(try read(TextList.self, " a ,, b b,").items == ["a", "b b"])
    #expect(try read(TextList.self, "").isEmpty)
    #expect(try read(Secret.self, "x").value == "x")
    #expect("\(Secret("x")) \(String(reflecting: Secret("x")))" == "******** ********")
  }
}

@Suite struct AddressSetTests {
  private static let files = reader([
    "/etc/mail/list":
      "# people\nA@One.example\n  b@one.example, @two.example # rest is comment\r\nroot@\n",
    "/lists/abs": "x@abs.example", "/etc/mail/bad": "a@b\n\nnobody\n",
    "/etc/mail/empty": "# none\n",
  ])
  private static let context = ParsingContext(folder: "/etc/mail", read: files)

  @Test(
    arguments: [
      ("user@dom.example", "<User@DOM.example>", true),
      ("User@Dom.example", "user@dom.example", true),
      ("user@dom.example", "other@dom.example", false),
      ("user@dom.example", "user@sub.dom.example", false),
      ("@dom.example", "<any@Dom.Example>", true), ("@dom.example", "any@sub.dom.example", false),
      ("postmaster@", "<Postmaster@any.example>", true), ("postmaster@", "<postmaster>", true),
      ("postmaster@", "x-postmaster@any.example", false), ("postmaster@, abuse@", "abuse@x", true),
      ("@dom.example", "<>", false), ("", "a@b", false), ("a@[192.0.2.1]", "<a@[192.0.2.1]>", true),
      ("\"a b\"@c", "<\"a b\"@c>", true), ("\"ab\"@", "ab@c", true),
      ("file:list", "a@one.example", true), ("file:list", "b@one.example", true),
      ("file:list", "c@one.example", false), ("file:list", "any@two.example", true),
      ("file:list", "root@any", true), ("file:list", "comment@two", false),
      ("FILE: /lists/abs , q@r", "x@abs.example", true), ("FILE: /lists/abs , q@r", "q@r", true),
      ("file:empty", "a@b", false),
    ])
  func contains(_ items: String, _ address: String, _ expected: Bool) throws {
    let set = try read(AddressSet.self, items, Self.context)
    #expect(set.contains(Mailbox(envelope: MailText(address))) == expected)
    #expect(set.isEmpty == items.isEmpty)
  }

  @Test(
    arguments: [
      (
        "user",
        "'user' has no '@': write user@ for that local part at any domain, or a full address"
      ),
      (
        "dom.example",
        "'dom.example' has no '@': write @dom.example for the whole domain, or dom.example@ for "
          + "that local part at any domain, or a full address"
      ),
      ("a@b c@d", "'a@b c@d' holds white space: put commas between addresses"),
      ("@", "'@' is no address: write user@example.org"),
      ("file:", "'file:' names no file: write file:PATH"),
      ("file:none", "/etc/mail/none: cannot be read: no such file"),
      (
        "file:bad",
        "/etc/mail/bad:3: 'nobody' has no '@': write nobody@ for that local part at any domain, or "
          + "a full address"
      ),
    ])
  func refuses(_ items: String, _ message: String) {
    #expect(throws: ValueError(message)) { try AddressSet(parsing: items, Self.context) }
  }

  @Test func hugeFilesAreQuick() throws {
    let text = (0..<200_000).map { "user\($0)@domain\($0 % 100).example\n" }.joined()
    let context = ParsingContext(folder: "/", read: reader(["/big": text]))
    let clock = ContinuousClock()
    var set = AddressSet()
    let load = try clock.measure { set = try AddressSet(parsing: "file:/big", context) }
    #expect(set.count == 200_000)
    #expect(load < .seconds(20))
    let mailbox = Mailbox(envelope: "<user199999@domain99.example>")
    let look = clock.measure { for _ in 0..<10_000 { #expect(set.contains(mailbox)) } }
    #expect(look < .seconds(5))
    print("200,000 addresses: load \(load), 10,000 look-ups \(look)")
  }
}
