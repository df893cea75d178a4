// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CMilter
internal import Glibc
public import Mail

/// A callback's handle on the MTA. Not copyable and only ever borrowed: it cannot outlive the
/// callback.
public struct MTA: ~Copyable {
  let context: OpaquePointer
  let leadingSpace: Bool

  /// The value of a macro (`i`, `{auth_authen}`), nil where the MTA did not send it. Treat every
  /// macro as optional: an administrator can cut the MTA's lists.
  public func macro(_ name: String) -> MailText? {
    let value = name.withCString { name in
      smfi_getsymval(context, UnsafeMutablePointer(mutating: name))
    }
    return value.map { MailText(cString: $0) }
  }

  /// Asks for one change, only from end of message.
  ///
  /// - Returns: false when the MTA did not offer this kind of change, is gone, or the value cannot
  ///   stand in a message (NUL, a field name outside RFC 5322 §2.2).
  public func apply(_ edit: Edit) -> Bool {
    switch edit {
    case .addHeader(let name, let value):
      return withField(name, value) { smfi_addheader(context, $0, $1) }
    case .insertHeader(let index, let name, let value):
      return withField(name, value) { smfi_insheader(context, Int32(clamping: index), $0, $1) }
    case .changeHeader(let name, let occurrence, let value):
      let occurrence = Int32(clamping: max(occurrence, 1))
      guard let value else {
        return Self.isFieldName(name)
          && withBytes(Array(name.utf8)) { smfi_chgheader(context, $0, occurrence, nil) }
      }
      return withField(name, value) { smfi_chgheader(context, $0, occurrence, $1) }
    case .addRecipient(let address, let parameters):
      guard let parameters else { return withBytes(address.bytes) { smfi_addrcpt(context, $0) } }
      return withBytes(address.bytes, parameters.bytes) { smfi_addrcpt_par(context, $0, $1) }
    case .deleteRecipient(let address):
      return withBytes(address.bytes) { smfi_delrcpt(context, $0) }
    case .changeSender(let address, let parameters):
      guard let parameters else {
        return withBytes(address.bytes) { smfi_chgfrom(context, $0, nil) }
      }
      return withBytes(address.bytes, parameters.bytes) { smfi_chgfrom(context, $0, $1) }
    case .replaceBody(var body):
      let count = Int32(clamping: body.count)
      // libmilter takes no nil pointer for an empty body.
      if body.isEmpty { body = [0] }
      return body.withUnsafeMutableBufferPointer {
        smfi_replacebody(context, $0.baseAddress, count) == MI_SUCCESS
      }
    case .quarantine(let reason):
      let text = SMTPReply.cleaned(reason.isEmpty ? "held" : reason, percent: [0x25])
      return withBytes(text) { smfi_quarantine(context, $0) }
    }
  }

  /// Tells the MTA that work goes on, so that its time-out starts anew; only from end of message.
  /// - Returns: false when the MTA is gone: stop working.
  public func progress() -> Bool { smfi_progress(context) == MI_SUCCESS }

  /// Sets the text for the refusal that the callback is about to return.
  func setReply(_ reply: SMTPReply, multiline: Bool) -> Bool {
    var lines = reply.wireLines
    if !multiline { lines = Array(lines.prefix(1)) }
    let texts = lines.map { $0 + [0] }
    // One allocation for all lines, so that the pointers live together.
    let joined = texts.flatMap { $0 }
    return joined.withUnsafeBytes { raw in
      guard let base = raw.bindMemory(to: CChar.self).baseAddress else { return false }
      var pointers: [UnsafePointer<CChar>?] = []
      var offset = 0
      for text in texts {
        pointers.append(base + offset)
        offset += text.count
      }
      return cmilter_setreply(context, reply.code, reply.enhancedCode, pointers, pointers.count)
        == MI_SUCCESS
    }
  }

  /// Wishes for macros; only while negotiating. An MTA that cannot is not an error.
  func wish(for macros: [Negotiation.MacroList]) {
    for var list in macros.map({ ($0.stage, $0.names) }) {
      list.1.withUnsafeMutableBufferPointer { names in
        _ = names.baseAddress.map { smfi_setsymlist(context, list.0.rawValue, $0) }
      }
    }
  }

  private func withField(
    _ name: String, _ value: MailText,
    _ call: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<CChar>) -> Int32
  ) -> Bool {
    guard Self.isFieldName(name) else { return false }
    let value = Self.fieldValue(value.bytes)
    return withBytes(Array(name.utf8), leadingSpace ? [0x20] + value : value, call)
  }

  private func withBytes(
    _ bytes: [UInt8], _ call: (UnsafeMutablePointer<CChar>) -> Int32
  ) -> Bool {
    var terminated: [UInt8] = []
    terminated.reserveCapacity(bytes.count + 1)
    terminated += bytes
    terminated.append(0)
    return terminated.withUnsafeMutableBufferPointer {
      $0.withMemoryRebound(to: CChar.self) { text in
        // A NUL before the end would cut the text short.
        guard let text = text.baseAddress, strlen(text) == bytes.count else { return false }
        return call(text) == MI_SUCCESS
      }
    }
  }

  private func withBytes(
    _ first: [UInt8], _ second: [UInt8],
    _ call: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<CChar>) -> Int32
  ) -> Bool {
    withBytes(first) { first in
      withBytes(second) { call(first, $0) } ? MI_SUCCESS : MI_FAILURE
    }
  }

  /// field-name: printable ASCII without the colon (RFC 5322 §3.6.8).
  static func isFieldName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x3A }
  }

  /// A value that cannot end its field: libmilter does not check, and a CR or LF taken from a peer
  /// would start a field of the peer's choice. LF stays before white space, where it folds.
  static func fieldValue(_ bytes: [UInt8]) -> [UInt8] {
    if isFieldValue(bytes) { return bytes }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case 0x00, 0x0D: continue
      case 0x0A:
        // The next byte that stays decides: a CR between LF and blank does not hide it.
        let next = bytes[(index + 1)...].first { $0 != 0x0D && $0 != 0x00 }
        out.append(next == 0x20 || next == 0x09 ? 0x0A : 0x20)
      default: out.append(byte)
      }
    }
    return out
  }

  /// Whether a value has nothing that must be taken from it, as nearly all.
  private static func isFieldValue(_ bytes: [UInt8]) -> Bool {
    var last: UInt8 = 0x20
    for byte in bytes {
      if byte == 0x00 || byte == 0x0D { return false }
      if last == 0x0A, byte != 0x20, byte != 0x09 { return false }
      last = byte
    }
    return last != 0x0A
  }
}

extension MailText {
  /// The bytes up to the NUL.
  init(cString: UnsafePointer<CChar>) {
    let count = strlen(cString)
    let buffer = UnsafeRawBufferPointer(start: cString, count: count)
    self.init(buffer)
  }
}
