// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// A message and its envelope as an MTA holds them, and what an MTA makes of a filter's edits.
///
/// It is a model: what a filter asked for can be applied without an MTA, and the result be looked
/// at. Nothing is parsed beyond header fields and body, and no byte is lost on the way.
public struct EditedMessage: Sendable, Equatable {
  /// One envelope recipient.
  public struct Recipient: Sendable, Hashable {
    /// The address as the client gave it, angle brackets included.
    public var address: MailText
    /// The ESMTP parameters, separated by spaces.
    public var parameters: MailText?

    /// A recipient with its ESMTP parameters, if there are any.
    public init(_ address: MailText, parameters: MailText? = nil) {
      self.address = address
      self.parameters = parameters
    }
  }

  /// The reverse-path as the client gave it, angle brackets included.
  public var sender: MailText
  /// The ESMTP parameters of MAIL, separated by spaces.
  public var senderParameters: MailText?
  /// The envelope recipients in the order they came.
  public var recipients: [Recipient]
  /// The header fields, top first.
  public var headers: [HeaderField]
  /// The body; lines end in CRLF.
  public var body: [UInt8]
  /// Why the message waits in the MTA's hold queue, nil when it does not.
  public var quarantineReason: String?

  /// A message made of its parts.
  public init(
    sender: MailText = "<>", senderParameters: MailText? = nil, recipients: [Recipient] = [],
    headers: [HeaderField] = [], body: [UInt8] = []
  ) {
    self.sender = sender
    self.senderParameters = senderParameters
    self.recipients = recipients
    self.headers = headers
    self.body = body
  }

  /// Makes the change that `edit` asks for, as an MTA would.
  ///
  /// What an MTA cannot do changes nothing: deleting a field or a recipient that is not there, or
  /// changing the field at an occurrence below 1.
  public mutating func apply(_ edit: Edit) {
    switch edit {
    case .addHeader(let name, let value):
      addHeader(HeaderField(name: MailText(name), rawValue: value.afterSpace))
    case .insertHeader(let index, let name, let value):
      insertHeader(HeaderField(name: MailText(name), rawValue: value.afterSpace), at: index)
    case .changeHeader(let name, let occurrence, let value):
      changeHeader(name, occurrence: occurrence, rawValue: value?.afterSpace)
    case .addRecipient(let address, let parameters):
      // Both Postfix and Sendmail deliver once to a recipient that is added twice.
      if !recipients.contains(where: { $0.address == address }) {
        recipients.append(Recipient(address, parameters: parameters))
      }
    case .deleteRecipient(let address):
      recipients.removeAll { $0.address == address }
    case .changeSender(let address, let parameters):
      sender = address
      senderParameters = parameters
    case .replaceBody(let bytes):
      body = bytes
    case .quarantine(let reason):
      quarantineReason = reason
    }
  }

  /// Adds a field below all others.
  public mutating func addHeader(_ field: HeaderField) {
    headers.append(field)
  }

  /// Inserts a field before the one at `index`; beyond the last it is added below all others.
  public mutating func insertHeader(_ field: HeaderField, at index: Int) {
    headers.insert(field, at: min(max(index, 0), headers.count))
  }

  /// Replaces all bytes after the colon of the `occurrence`-th field called `name`, counted from 1.
  ///
  /// Nil deletes the field. A value for an occurrence that does not exist is added below all
  /// others. The name keeps its spelling where the field exists.
  public mutating func changeHeader(_ name: String, occurrence: Int, rawValue: MailText?) {
    guard occurrence >= 1 else { return }
    let places = headers.indices.filter { headers[$0].isNamed(name) }
    if let place = places.dropFirst(occurrence - 1).first {
      if let rawValue {
        headers[place].rawValue = rawValue
      } else {
        headers.remove(at: place)
      }
    } else if let rawValue {
      addHeader(HeaderField(name: MailText(name), rawValue: rawValue))
    }
  }
}

extension MailText {
  /// The text behind the one space that an MTA writes after the colon.
  fileprivate var afterSpace: MailText { MailText([0x20] + bytes) }
}
