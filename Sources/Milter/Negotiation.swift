// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CMilter

/// The steps of a connection that an MTA can leave out or not wait for.
public struct Steps: OptionSet, Sendable, Hashable {
  /// One bit a step.
  public let rawValue: UInt16
  /// The steps with these bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// CONNECT.
  public static let connect = Steps(rawValue: 1 << 0)
  /// HELO and EHLO.
  public static let hello = Steps(rawValue: 1 << 1)
  /// MAIL.
  public static let sender = Steps(rawValue: 1 << 2)
  /// RCPT.
  public static let recipient = Steps(rawValue: 1 << 3)
  /// DATA.
  public static let data = Steps(rawValue: 1 << 4)
  /// Commands unknown to the MTA.
  public static let unknown = Steps(rawValue: 1 << 5)
  /// Header fields.
  public static let header = Steps(rawValue: 1 << 6)
  /// End of headers.
  public static let endOfHeaders = Steps(rawValue: 1 << 7)
  /// Body chunks.
  public static let body = Steps(rawValue: 1 << 8)

  /// Every step; end of message always comes and is always answered.
  public static let all = Steps(rawValue: (1 << 9) - 1)
}

/// The changes that a filter may ask for.
public struct Actions: OptionSet, Sendable, Hashable {
  /// libmilter's SMFIF bits.
  public let rawValue: UInt
  /// The actions with these bits.
  public init(rawValue: UInt) { self.rawValue = rawValue }

  /// Add and insert header fields.
  public static let addHeaders = Actions(rawValue: UInt(SMFIF_ADDHDRS))
  /// Change and delete header fields.
  public static let changeHeaders = Actions(rawValue: UInt(SMFIF_CHGHDRS))
  /// Replace the body.
  public static let replaceBody = Actions(rawValue: UInt(SMFIF_CHGBODY))
  /// Add recipients, with ESMTP parameters where the MTA can.
  public static let addRecipients = Actions(
    rawValue: UInt(SMFIF_ADDRCPT) | UInt(SMFIF_ADDRCPT_PAR))
  /// Remove recipients.
  public static let deleteRecipients = Actions(rawValue: UInt(SMFIF_DELRCPT))
  /// Change the reverse-path.
  public static let changeSender = Actions(rawValue: UInt(SMFIF_CHGFROM))
  /// Put into the MTA's hold queue.
  public static let quarantine = Actions(rawValue: UInt(SMFIF_QUARANTINE))
  /// Wish for macros.
  static let setMacros = Actions(rawValue: UInt(SMFIF_SETSYMLIST))
}

/// A stage for which an MTA sends macros.
public enum MacroStage: Int32, Sendable, CaseIterable {
  /// CONNECT.
  case connect = 0
  /// HELO.
  case hello = 1
  /// MAIL.
  case sender = 2
  /// RCPT.
  case recipient = 3
  /// DATA.
  case data = 4
  /// End of message.
  case endOfMessage = 5
  /// End of headers.
  case endOfHeaders = 6
}

/// What a filter wants of the MTA; what the MTA does not offer is done without.
public struct Negotiation: Sendable, Equatable {
  /// Steps to be sent; all others are negotiated away.
  public var steps: Steps
  /// Steps of these whose answer the MTA shall wait for; the rest is no-reply.
  public var answered: Steps
  /// Changes to be allowed.
  public var actions: Actions
  /// Whether recipients that the MTA refuses shall be reported too.
  public var wantsRejectedRecipients: Bool
  /// Macros wished for by stage, braces included where the MTA's name has them.
  public var macros: [MacroStage: [String]] {
    didSet { macroLists = Self.lists(of: macros) }
  }
  /// The same as libmilter wants them, in C strings: told in every session.
  private(set) var macroLists: [MacroList]

  struct MacroList: Sendable, Equatable {
    let stage: MacroStage
    let names: [CChar]
  }

  private static func lists(of macros: [MacroStage: [String]]) -> [MacroList] {
    macros.compactMap { stage, names in
      let bytes = Array(names.joined(separator: " ").utf8)
      guard !bytes.contains(0) else { return nil }
      return MacroList(stage: stage, names: bytes.map { CChar(bitPattern: $0) } + [0])
    }.sorted { $0.stage.rawValue < $1.stage.rawValue }
  }

  /// A negotiation of these wishes.
  public init(
    steps: Steps, answered: Steps, actions: Actions = [], wantsRejectedRecipients: Bool = false,
    macros: [MacroStage: [String]] = [:]
  ) {
    self.steps = steps
    self.answered = answered
    self.actions = actions
    self.wantsRejectedRecipients = wantsRejectedRecipients
    self.macros = macros
    macroLists = Self.lists(of: macros)
  }

  /// For a session that is turned away: nothing but an answered CONNECT. A refusal here reaches
  /// the client; one from the negotiation itself would be a hang-up, after which
  /// `default_action = accept` lets mail by unfiltered.
  static let turningAway = Negotiation(steps: .connect, answered: .connect)
}

/// What was agreed with one MTA for one session.
struct Agreement: Sendable, Equatable {
  /// Steps for which the callback must answer SMFIS_NOREPLY.
  var unanswered: Steps = []
  /// Whether header values carry the white space after the colon, both ways.
  var leadingSpace = false
  /// Whether SMFIS_SKIP is understood.
  var canSkipBody = false

  /// For a session without negotiation: every step is answered.
  static let none = Agreement()

  private static let leaveOut: [(Steps, UInt)] = [
    (.connect, UInt(SMFIP_NOCONNECT)), (.hello, UInt(SMFIP_NOHELO)),
    (.sender, UInt(SMFIP_NOMAIL)), (.recipient, UInt(SMFIP_NORCPT)),
    (.data, UInt(SMFIP_NODATA)), (.unknown, UInt(SMFIP_NOUNKNOWN)),
    (.header, UInt(SMFIP_NOHDRS)), (.endOfHeaders, UInt(SMFIP_NOEOH)),
    (.body, UInt(SMFIP_NOBODY)),
  ]
  private static let noReply: [(Steps, UInt)] = [
    (.connect, UInt(SMFIP_NR_CONN)), (.hello, UInt(SMFIP_NR_HELO)),
    (.sender, UInt(SMFIP_NR_MAIL)), (.recipient, UInt(SMFIP_NR_RCPT)),
    (.data, UInt(SMFIP_NR_DATA)), (.unknown, UInt(SMFIP_NR_UNKN)),
    (.header, UInt(SMFIP_NR_HDR)), (.endOfHeaders, UInt(SMFIP_NR_EOH)),
    (.body, UInt(SMFIP_NR_BODY)),
  ]

  /// Settles `wanted` with an MTA that offers these SMFIF and SMFIP bits.
  static func settle(
    _ wanted: Negotiation, offeredActions: UInt, offeredSteps: UInt
  ) -> (agreement: Agreement, actions: UInt, steps: UInt) {
    var agreement = Agreement()
    var steps: UInt = 0
    for (step, bit) in leaveOut where !wanted.steps.contains(step) { steps |= bit & offeredSteps }
    for (step, bit) in noReply where wanted.steps.contains(step) && !wanted.answered.contains(step)
    {
      guard bit & offeredSteps != 0 else { continue }
      steps |= bit
      agreement.unanswered.insert(step)
    }
    if wanted.wantsRejectedRecipients { steps |= UInt(SMFIP_RCPT_REJ) & offeredSteps }
    steps |= (UInt(SMFIP_SKIP) | UInt(SMFIP_HDR_LEADSPC)) & offeredSteps
    agreement.canSkipBody = steps & UInt(SMFIP_SKIP) != 0
    agreement.leadingSpace = steps & UInt(SMFIP_HDR_LEADSPC) != 0
    var actions = wanted.actions
    if !wanted.macros.isEmpty { actions.insert(.setMacros) }
    return (agreement, actions.rawValue & offeredActions, steps)
  }
}
