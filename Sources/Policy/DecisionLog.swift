// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Addressing
internal import Configuration
package import Logging
internal import Mail
internal import Milter

/// A key of a log line. The order of the cases is the order in the line.
package enum LogField: String, CaseIterable, Sendable {
  case ref, module, stage, verdict, effect, reply, reason, detail
  case leftOut = "left-out"
  case option, at
  case client, name, helo, auth, from, to, recipients, refused, unknown, size, edits
  case wouldEdit = "would-edit"
  case ms
  case header, value
}

/// The fields of one line in the order of `LogField`, as one value of a log event: a dictionary of
/// them would be made only to be put in order again.
package struct LogFields: CustomStringConvertible, Sendable {
  package let fields: [(key: LogField, value: String)]

  /// Fields in the order of the cases.
  init(_ fields: [(LogField, String)]) { self.fields = fields.map { (key: $0, value: $1) } }

  /// The fields of an event that has some.
  package init?(_ metadata: Logger.Metadata) {
    guard case .stringConvertible(let value)? = metadata[Self.key], let own = value as? Self
    else { return nil }
    self = own
  }

  private static let key = "fields"

  var metadata: Logger.Metadata { [Self.key: .stringConvertible(self)] }

  /// For a log that knows nothing of them.
  package var description: String {
    fields.map { "\($0.key.rawValue)=\($0.value)" }.joined(separator: " ")
  }
}

/// Writes the runner's lines: one for each verdict, one for each message.
struct DecisionLog {
  private let runner: Runner
  private var log: Logger { runner.pipeline.services.log }

  /// The most recipients that a summary names.
  private static let namedRecipients = 5

  init(_ runner: Runner) { self.runner = runner }

  /// A client connected; written at level debug, before any queue id.
  func connected() {
    guard log.logLevel <= .debug else { return }
    write(.debug, runner.opening, [(.verdict, "connect")] + client)
  }

  /// A verdict and what became of it.
  func decided(_ decision: Decision, _ reply: SMTPReply?, _ t: Transaction) {
    guard let reason = decision.verdict.reason else { return }
    var fields: [(LogField, String)] = [
      (.module, decision.module), (.stage, decision.stage.rawValue),
      (.verdict, (decision.effect == .enforced ? "" : "would-") + decision.verdict.word),
    ]
    if decision.effect != .enforced { fields.append((.effect, decision.effect.rawValue)) }
    if let reply { fields.append((.reply, reply.description)) }
    fields.append((.reason, reason.code))
    if !reason.detail.isEmpty { fields.append((.detail, reason.detail)) }
    if let option = reason.option {
      fields.append((.option, option))
      if let origin = runner.pipeline.configuration.location(of: option) {
        fields.append((.at, "\(origin)"))
      }
    }
    fields += client + envelope(t, to: decision.recipient.map { [$0] } ?? [])
    write(.info, t, fields)
  }

  /// A message's fate.
  func finished(_ record: TransactionRecord, _ t: Transaction, _ duration: Duration) {
    var fields: [(LogField, String)] = [(.verdict, record.ending.word)]
    if case .refused = record.ending, let reply = record.finalReply {
      fields.append((.reply, reply))
    }
    fields += client + envelope(t, to: Array(record.recipients.prefix(Self.namedRecipients)))
    fields.append((.recipients, String(record.recipients.count)))
    if record.refusedRecipients > 0 { fields.append((.refused, String(record.refusedRecipients))) }
    if record.unknownRecipients > 0 { fields.append((.unknown, String(record.unknownRecipients))) }
    if record.size > 0 { fields.append((.size, String(record.size))) }
    if !record.edits.isEmpty {
      fields.append((.edits, record.edits.map(\.kind).joined(separator: ", ")))
    }
    if !record.observedEdits.isEmpty {
      fields.append((.wouldEdit, record.observedEdits.map(\.kind).joined(separator: ", ")))
    }
    fields.append((.ms, String(duration.milliseconds)))
    write(.info, t, fields)
  }

  /// A module threw, or an edit was not taken: once a minute for each kind of failure, with how many
  /// were left out since.
  func failed(_ module: ConfiguredModule?, _ reason: Reason, _ t: Transaction) {
    let kind = "\(reason.module) \(reason.code) \(reason.detail.prefix(100))"
    guard let leftOut = runner.pipeline.faultPace.isDue(kind) else { return }
    var fields: [(LogField, String)] = [
      (.module, reason.module), (.stage, t.stage.rawValue),
      (.verdict, module?.onError == .skip ? "skip" : "tempfail"), (.reason, reason.code),
      (.detail, reason.detail),
    ]
    if leftOut > 0 { fields.append((.leftOut, String(leftOut))) }
    write(.error, t, fields + client)
  }

  /// The modules took longer than the MTA may wait.
  func overran(_ module: ConfiguredModule, _ stage: Stage, _ took: Duration, _ t: Transaction) {
    write(
      .warning, t,
      [
        (.module, module.name), (.stage, stage.rawValue), (.verdict, "late"),
        (.reason, "deadline-overrun"), (.ms, String(took.milliseconds)),
      ])
  }

  /// A header field, when `[log] headers` is on.
  func header(_ field: HeaderField, _ t: Transaction) {
    write(.info, t, [(.header, field.name.description), (.value, field.value.description)])
  }

  private var client: [(LogField, String)] {
    let connection = runner.connection
    var fields: [(LogField, String)] = []
    switch connection.peer.address {
    case .inet(let ip, _): fields.append((.client, ip.description))
    case .unix(let path): fields.append((.client, "unix:\(path)"))
    case .unknown: fields.append((.client, "unknown"))
    }
    fields.append((.name, connection.peer.hostName.description))
    if let hello = connection.hello { fields.append((.helo, hello.description)) }
    if let user = connection.authentication?.user { fields.append((.auth, user.description)) }
    return fields
  }

  private func envelope(_ t: Transaction, to recipients: [MailText]) -> [(LogField, String)] {
    var fields: [(LogField, String)] = []
    if let sender = t.sender { fields.append((.from, sender.path.description)) }
    if !recipients.isEmpty {
      fields.append((.to, recipients.map(\.description).joined(separator: ",")))
    }
    return fields
  }

  private func write(_ level: Logger.Level, _ t: Transaction, _ fields: [(LogField, String)]) {
    guard log.logLevel <= level else { return }
    let id = t.queueID?.description ?? "NOQUEUE"
    log.log(
      level: level, "\(id)",
      metadata: LogFields([(.ref, t.reference.description)] + fields).metadata)
  }
}

extension Duration {
  /// Whole milliseconds.
  var milliseconds: Int64 {
    components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
  }
}
