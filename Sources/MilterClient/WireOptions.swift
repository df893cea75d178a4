// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// The edits that the MTA allows, or the filter wants to make (`SMFIF_...` of libmilter's mfapi.h).
public struct WireActions: OptionSet, Sendable, Hashable {
  /// The bits as they travel.
  public let rawValue: UInt32

  /// Actions by their bits, unknown ones included.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// `SMFIF_ADDHDRS`: add and insert header fields.
  public static let addHeaders = WireActions(rawValue: 0x01)
  /// `SMFIF_CHGBODY`: replace the body.
  public static let changeBody = WireActions(rawValue: 0x02)
  /// `SMFIF_ADDRCPT`: add recipients.
  public static let addRecipients = WireActions(rawValue: 0x04)
  /// `SMFIF_DELRCPT`: delete recipients.
  public static let deleteRecipients = WireActions(rawValue: 0x08)
  /// `SMFIF_CHGHDRS`: change and delete header fields.
  public static let changeHeaders = WireActions(rawValue: 0x10)
  /// `SMFIF_QUARANTINE`: quarantine the message.
  public static let quarantine = WireActions(rawValue: 0x20)
  /// `SMFIF_CHGFROM`: replace the reverse-path.
  public static let changeSender = WireActions(rawValue: 0x40)
  /// `SMFIF_ADDRCPT_PAR`: add recipients with ESMTP parameters.
  public static let addRecipientsWithParameters = WireActions(rawValue: 0x80)
  /// `SMFIF_SETSYMLIST`: name the macros wanted.
  public static let setSymbolList = WireActions(rawValue: 0x100)

  /// All that an MTA of protocol `version` knows (`SMFI_V2_ACTS`, `SMFI_CURR_ACTS`).
  public static func known(to version: UInt32) -> WireActions {
    WireActions(rawValue: version >= 6 ? 0x1FF : 0x3F)
  }
}

/// The steps that the filter does not want, or does not answer (`SMFIP_...` of libmilter's mfdef.h).
///
/// In an offer: what the MTA is able to leave out or to do without.
public struct WireSteps: OptionSet, Sendable, Hashable {
  /// The bits as they travel.
  public let rawValue: UInt32

  /// Steps by their bits, unknown ones included.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// `SMFIP_NOCONNECT`.
  public static let noConnect = WireSteps(rawValue: 0x01)
  /// `SMFIP_NOHELO`.
  public static let noHelo = WireSteps(rawValue: 0x02)
  /// `SMFIP_NOMAIL`.
  public static let noMail = WireSteps(rawValue: 0x04)
  /// `SMFIP_NORCPT`.
  public static let noRcpt = WireSteps(rawValue: 0x08)
  /// `SMFIP_NOBODY`.
  public static let noBody = WireSteps(rawValue: 0x10)
  /// `SMFIP_NOHDRS`.
  public static let noHeaders = WireSteps(rawValue: 0x20)
  /// `SMFIP_NOEOH`.
  public static let noEndOfHeaders = WireSteps(rawValue: 0x40)
  /// `SMFIP_NR_HDR`: header fields are not answered.
  public static let noReplyHeaders = WireSteps(rawValue: 0x80)
  /// `SMFIP_NOUNKNOWN`.
  public static let noUnknown = WireSteps(rawValue: 0x100)
  /// `SMFIP_NODATA`.
  public static let noData = WireSteps(rawValue: 0x200)
  /// `SMFIP_SKIP`: the filter may cut the body short.
  public static let skip = WireSteps(rawValue: 0x400)
  /// `SMFIP_RCPT_REJ`: the filter wants to see recipients that the MTA refused.
  public static let rejectedRecipients = WireSteps(rawValue: 0x800)
  /// `SMFIP_NR_CONN`.
  public static let noReplyConnect = WireSteps(rawValue: 0x1000)
  /// `SMFIP_NR_HELO`.
  public static let noReplyHelo = WireSteps(rawValue: 0x2000)
  /// `SMFIP_NR_MAIL`.
  public static let noReplyMail = WireSteps(rawValue: 0x4000)
  /// `SMFIP_NR_RCPT`.
  public static let noReplyRcpt = WireSteps(rawValue: 0x8000)
  /// `SMFIP_NR_DATA`.
  public static let noReplyData = WireSteps(rawValue: 0x1_0000)
  /// `SMFIP_NR_UNKN`.
  public static let noReplyUnknown = WireSteps(rawValue: 0x2_0000)
  /// `SMFIP_NR_EOH`.
  public static let noReplyEndOfHeaders = WireSteps(rawValue: 0x4_0000)
  /// `SMFIP_NR_BODY`.
  public static let noReplyBody = WireSteps(rawValue: 0x8_0000)
  /// `SMFIP_HDR_LEADSPC`: header values travel with the space behind the colon.
  public static let leadingSpace = WireSteps(rawValue: 0x10_0000)
  /// `SMFIP_MDS_256K`: packets of up to 256 KiB; between Sendmail and libmilter only.
  public static let packets256K = WireSteps(rawValue: 0x1000_0000)
  /// `SMFIP_MDS_1M`: packets of up to 1 MiB; between Sendmail and libmilter only.
  public static let packets1M = WireSteps(rawValue: 0x2000_0000)

  /// All that an MTA of protocol `version` knows (`SMFI_V2_PROT`, `SMFI_CURR_PROT`), the internal
  /// packet sizes not included. Version 3 brought UNKNOWN, version 4 DATA, version 6 the rest.
  public static func known(to version: UInt32) -> WireSteps {
    switch version {
    case ...2: WireSteps(rawValue: 0x7F)
    case 3: [known(to: 2), .noUnknown]
    case 4, 5: [known(to: 3), .noData]
    default: WireSteps(rawValue: 0x1F_FFFF)
    }
  }
}

/// The stages that macros belong to; the raw values are the `SMFIM_...` of libmilter's mfapi.h.
public enum WireStage: UInt32, Sendable, CaseIterable {
  /// Before CONNECT.
  case connect = 0
  /// Before HELO.
  case helo = 1
  /// Before MAIL.
  case mail = 2
  /// Before each RCPT.
  case rcpt = 3
  /// Before DATA.
  case data = 4
  /// Before the end of the message.
  case endOfMessage = 5
  /// Before the end of the header.
  case endOfHeaders = 6

  /// The command that the macros are sent for.
  public var command: WireCommand {
    switch self {
    case .connect: .connect
    case .helo: .helo
    case .mail: .mail
    case .rcpt: .rcpt
    case .data: .data
    case .endOfMessage: .endOfMessage
    case .endOfHeaders: .endOfHeaders
    }
  }
}
