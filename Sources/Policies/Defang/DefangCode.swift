// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Policy

/// Why a message is refused, kept or changed because of what is attached to it.
enum DefangCode: String, ReasonCode {
  case dangerous = "dangerous-attachment"
  case encrypted
  case uninspected
  case tooLarge = "too-large"
  case noRoom = "no-room"
  case ambiguous
  case notClean = "not-clean"

  var sentence: String {
    switch self {
    case .dangerous: "The message has an attachment that is not let in: {detail}."
    case .encrypted: "An archive in the message is encrypted: {detail}."
    case .uninspected: "Part of the message could not be looked into: {detail}."
    case .tooLarge: "The message is too large to be looked into: {detail}."
    case .noRoom:
      "All messages that were coming in took more than [milter] max_memory: {detail}."
    case .ambiguous: "Mail programs can read the message differently: {detail}."
    case .notClean:
      "What is dangerous in the message could not be cut out cleanly: {detail}. That is trouble of "
        + "ours; please report it with the message."
    }
  }
}
