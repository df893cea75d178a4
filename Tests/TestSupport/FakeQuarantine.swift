// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Digests
package import Environment
package import Mail
package import Quarantine
package import Store
internal import Synchronization

/// A quarantine in memory: keeps what modules give it, or fails as a test says. It knows no tokens.
package final class FakeQuarantine: QuarantineStore {
  /// A kept message.
  package struct Kept: Sendable {
    package let mail: KeptMail
    package let content: [UInt8]
  }

  private let messages = Mutex<[Kept]>([])
  private let trouble = Mutex<QuarantineTrouble?>(nil)

  package init() {}

  /// What was kept, oldest first.
  package var kept: [Kept] { messages.withLock { $0 } }

  /// Lets everything fail from now on; nil lets it go well again.
  package func fail(with trouble: QuarantineTrouble?) { self.trouble.withLock { $0 = trouble } }

  package func keep(
    _ content: [ArraySlice<UInt8>], as mail: KeptMail, by deadline: Deadline
  ) throws(QuarantineTrouble) {
    if let trouble = trouble.withLock({ $0 }) { throw trouble }
    var mail = mail
    mail.size = content.reduce(0) { $0 + $1.count }
    messages.withLock { $0.append(Kept(mail: mail, content: Array(content.joined()))) }
  }

  package func knows(_ token: ReleaseToken) throws(QuarantineTrouble) -> Bool { false }

  package func redeem(
    _ token: ReleaseToken, for digest: SHA256Digest, to recipients: [MailText],
    by reference: String, deadline: Deadline
  ) throws(QuarantineTrouble) -> Redemption { .bad(.unknown) }
}
