// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

public import Mail

/// One edit as the filter asked for it at end of message.
public struct Modification: Sendable, Equatable {
  /// The edit; a header value comes without its one leading space.
  public var edit: Edit
  /// The bytes that shall stand behind the colon, the leading space included; nil for edits that
  /// are none of a header value. It differs from the edit's value when the filter, having asked
  /// for leading spaces, sent none.
  public var rawValue: MailText?

  /// An edit, with the bytes behind the colon where it has a header value.
  public init(_ edit: Edit, rawValue: MailText? = nil) {
    self.edit = edit
    self.rawValue = rawValue
  }
}

extension EditedMessage {
  /// Makes the change, to the byte.
  public mutating func apply(_ modification: Modification) {
    switch (modification.edit, modification.rawValue) {
    case (.addHeader(let name, _), let raw?):
      addHeader(HeaderField(name: MailText(name), rawValue: raw))
    case (.insertHeader(let index, let name, _), let raw?):
      insertHeader(HeaderField(name: MailText(name), rawValue: raw), at: index)
    case (.changeHeader(let name, let occurrence, _), let raw?):
      changeHeader(name, occurrence: occurrence, rawValue: raw)
    default:
      apply(modification.edit)
    }
  }
}

/// Collects the modifications of one message, held to what was negotiated.
struct ModificationCollector {
  let actions: WireActions
  /// Whether header values travel with the space behind the colon.
  let leadingSpace: Bool
  private var collected: [Modification] = []
  /// The new body and how many edits came before it.
  private var newBody: (bytes: [UInt8], place: Int)?

  /// What was taken so far, in the order it came.
  var modifications: [Modification] {
    guard let newBody else { return collected }
    let body = Modification(.replaceBody(newBody.bytes))
    return collected.prefix(newBody.place) + [body] + collected.dropFirst(newBody.place)
  }

  init(actions: WireActions, leadingSpace: Bool) {
    self.actions = actions
    self.leadingSpace = leadingSpace
  }

  /// Takes a packet that came while the answer to end of message was awaited.
  mutating func take(_ packet: WirePacket) throws(MilterClientError) {
    guard let response = WireResponse(rawValue: packet.command), let action = response.action else {
      throw .violation("response \(packet.command) at end of message")
    }
    guard actions.contains(action) else {
      throw .violation("an edit that was not negotiated: \(response)")
    }
    var reader = WireReader(packet.payload)
    if response == .replaceBody {
      try replaceBody(packet.payload)
    } else {
      collected.append(try modification(response, &reader))
      try reader.end()
    }
  }

  // Postfix takes the chunks of a new body in one go and refuses what comes after another edit.
  private mutating func replaceBody(_ chunk: [UInt8]) throws(MilterClientError) {
    if newBody == nil {
      newBody = (chunk, collected.count)
    } else if newBody?.place == collected.count {
      newBody?.bytes += chunk
    } else {
      throw .violation("chunks of a body mixed with other edits")
    }
  }

  private func modification(
    _ response: WireResponse, _ reader: inout WireReader
  ) throws(MilterClientError) -> Modification {
    switch response {
    case .addHeader:
      let name = try reader.headerName()
      let (value, raw) = try headerValue(&reader)
      return Modification(.addHeader(name: name, value: value), rawValue: raw)
    case .insertHeader:
      let index = try reader.index(from: 0)
      let name = try reader.headerName()
      let (value, raw) = try headerValue(&reader)
      return Modification(.insertHeader(index: index, name: name, value: value), rawValue: raw)
    case .changeHeader:
      let occurrence = try reader.index(from: 1)
      let name = try reader.headerName()
      if reader.rest.elementsEqual([0]) {
        _ = try reader.string()
        return Modification(.changeHeader(name: name, occurrence: occurrence, value: nil))
      }
      let (value, raw) = try headerValue(&reader)
      let edit = Edit.changeHeader(name: name, occurrence: occurrence, value: value)
      return Modification(edit, rawValue: raw)
    case .addRecipient:
      return Modification(.addRecipient(try reader.string(), parameters: nil))
    case .addRecipientWithParameters:
      let address = try reader.string()
      return Modification(.addRecipient(address, parameters: try reader.optionalString()))
    case .deleteRecipient:
      return Modification(.deleteRecipient(try reader.string()))
    case .changeSender:
      let address = try reader.string()
      return Modification(.changeSender(address, parameters: try reader.optionalString()))
    case .quarantine:
      let reason = try reader.string()
      guard !reason.isEmpty else { throw .violation("quarantine without a reason") }
      return Modification(.quarantine(reason: reason.description))
    default:
      throw .violation("response \(response) at end of message")
    }
  }

  // Without SMFIP_HDR_LEADSPC the MTA adds the space itself.
  private func headerValue(
    _ reader: inout WireReader
  ) throws(MilterClientError) -> (value: MailText, raw: MailText) {
    let sent = try reader.string()
    if leadingSpace {
      return (sent.bytes.first == 0x20 ? MailText(sent.bytes.dropFirst()) : sent, sent)
    }
    return (sent, MailText([0x20] + sent.bytes))
  }
}

extension WireResponse {
  /// What must be negotiated for the edit, nil when it is none.
  fileprivate var action: WireActions? {
    switch self {
    case .addHeader, .insertHeader: .addHeaders
    case .changeHeader: .changeHeaders
    case .replaceBody: .changeBody
    case .addRecipient: .addRecipients
    case .addRecipientWithParameters: .addRecipientsWithParameters
    case .deleteRecipient: .deleteRecipients
    case .changeSender: .changeSender
    case .quarantine: .quarantine
    case .accept, .proceed, .discard, .reject, .tempfail, .reply, .skip, .shutdown,
      .connectionFailure, .progress, .setSymbolList:
      nil
    }
  }
}

extension WireReader {
  /// A field name: printable ASCII but for the colon (RFC 5322 §3.6.8).
  fileprivate mutating func headerName() throws(MilterClientError) -> String {
    let name = try string()
    let isValid = name.bytes.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x3A }
    guard isValid, !name.isEmpty else { throw .violation("a field name that is none: \(name)") }
    return name.description
  }

  /// A number that an MTA takes as a place, so at most 2^31 - 1.
  fileprivate mutating func index(from lowest: UInt32) throws(MilterClientError) -> Int {
    let number = try number()
    guard (lowest...UInt32(Int32.max)).contains(number) else {
      throw .violation("a field index of \(number)")
    }
    return Int(number)
  }

  /// The next string, nil when the data ends here or the string is empty.
  fileprivate mutating func optionalString() throws(MilterClientError) -> MailText? {
    guard !rest.isEmpty else { return nil }
    let text = try string()
    return text.isEmpty ? nil : text
  }
}
