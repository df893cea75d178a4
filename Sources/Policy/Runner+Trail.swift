// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Mail

extension Runner {
  /// Keeps what people name a message by: the first field of each kind.
  func remember(_ field: HeaderField) {
    let kept = { MailText(field.value.bytes.prefix(TransactionRecord.maximumField)) }
    if pipeline.remembersMessageID, message?.record.messageID == nil, field.isNamed("Message-ID") {
      message?.record.messageID = kept()
    } else if pipeline.remembersSubject, message?.record.subject == nil, field.isNamed("Subject") {
      message?.record.subject = kept()
    }
  }
}
