// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Mail
internal import Milter
package import Policy

/// Refuses senders whose local part is one of those listed.
///
/// Runs at MAIL, because the sender is all it needs to know.
package struct Skeleton: PolicyModule {
  package struct Options: PolicySection {
    package static let name = "skeleton"
    package static let summary = "Refuse senders by their local part"

    package let senders = ConfigOption(
      "senders", default: [] as TextList, help: "Local parts that are refused; case is folded.")

    package init() {}
  }

  /// Why mail is refused.
  package enum Code: String, ReasonCode {
    case listedSender = "listed-sender"

    package var sentence: String {
      switch self {
      case .listedSender: "The sender {detail} stands in the list of those who may not write."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }

  let senders: Set<MailText>

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    senders = Set(settings.senders.items.map { MailText($0).lowercased })
  }

  package func makeSession() -> Session { Session(module: self) }

  package final class Session: SenderStage {
    let module: Skeleton
    init(module: Skeleton) { self.module = module }

    package func sender(_ t: Transaction) -> Verdict {
      guard let mailbox = t.sender?.mailbox,
        module.senders.contains(mailbox.localPart.lowercased)
      else { return .proceed }
      return .refuse(
        .permanent(7, 1, "This sender is not welcome here"),
        Reason(
          module: Options.name, code: Code.listedSender.rawValue, detail: "\(mailbox)",
          option: "skeleton.senders"))
    }
  }
}
