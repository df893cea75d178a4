// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Digests
package import Environment
package import Mail
package import Store
internal import Synchronization

/// Letting a message past the filter, once.
extension FileQuarantine {
  /// How long a token is good, in milliseconds.
  package static let tokenLife: Int64 = 3_600_000
  private static let keyName = "release key"

  /// What somebody wants to release.
  package struct Order: Sendable {
    /// The original's reference.
    package var reference: String
    /// `original`, `attached` or `part 1.2`.
    package var form: String
    /// Who wants it: `root (uid 0)`.
    package var caller: String
    /// Why, in the caller's words.
    package var reason: String

    package init(reference: String, form: String, caller: String, reason: String) {
      self.reference = reference
      self.form = form
      self.caller = caller
      self.reason = reason
    }
  }

  /// Notes a release of `message` to `recipients` and makes its token, which is to stand above all
  /// other fields.
  package func authorise(
    _ order: Order, _ message: EditedMessage, to recipients: [MailText], within limit: Duration
  ) throws(QuarantineTrouble) -> (release: Release, token: ReleaseToken) {
    let made = store.time.milliseconds
    let digest = try Self.digest(of: message)
    let id = Hexadecimal.text(randomBytes(16))
    let release = Release(
      id: id, reference: order.reference, made: made, until: made &+ Self.tokenLife,
      recipients: recipients, digest: digest.description, fields: message.headers.count,
      form: order.form, caller: order.caller, reason: order.reason)
    do { try store.note(release, within: limit) } catch { throw .index(error) }
    do {
      return (release, try ReleaseToken(release, key: try key(within: limit)))
    } catch let trouble as QuarantineTrouble {
      throw trouble
    } catch {
      throw .digest("\(error)")
    }
  }

  /// The digest of a message as the filter will see it.
  package static func digest(
    of message: EditedMessage
  ) throws(QuarantineTrouble) -> SHA256Digest {
    let digest = MessageDigest()
    for field in message.headers { digest.take(field) }
    digest.endHeaders()
    message.body.withUnsafeBytes { digest.take($0) }
    do { return try digest.finish() } catch { throw .digest(error.description) }
  }

  package func knows(_ token: ReleaseToken) throws(QuarantineTrouble) -> Bool {
    do { return try store.release(token.id) != nil } catch { throw .index(error) }
  }

  package func redeem(
    _ token: ReleaseToken, for digest: SHA256Digest, to recipients: [MailText],
    by reference: String, deadline: Deadline
  ) throws(QuarantineTrouble) -> Redemption {
    let limit = min(Self.indexLimit, deadline.remaining)
    let release: Release
    do {
      guard let known = try store.release(token.id) else { return .bad(.unknown) }
      release = known
    } catch { throw .index(error) }
    let key = try key(within: limit)
    do {
      guard try token.isGenuine(for: release, key: key) else { return .bad(.forged) }
    } catch { throw .digest(error.description) }
    guard digest.description == release.digest else { return .bad(.otherMessage) }
    guard ReleaseToken.normalised(recipients) == ReleaseToken.normalised(release.recipients) else {
      return .bad(.otherRecipients)
    }
    let now = store.time.milliseconds
    // A clock that was set back makes no old token good.
    guard release.used == nil else { return .bad(.used) }
    guard release.made &- Self.tokenLife <= now, now <= release.until else {
      return .bad(.expired)
    }
    do {
      guard try store.use(release: token.id, by: reference, at: now, within: limit) else {
        return .bad(.used)
      }
      return .good(release, original: try store.kept(release.reference))
    } catch { throw .index(error) }
  }

  /// The key of all tokens, made at the first release.
  private func key(within limit: Duration) throws(QuarantineTrouble) -> [UInt8] {
    if let key = state.withLock({ $0.key }) { return key }
    let key: [UInt8]
    do { key = try store.secret(Self.keyName, new: randomBytes(32), within: limit) } catch {
      throw .index(error)
    }
    state.withLock { $0.key = key }
    return key
  }

  private func randomBytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      withUnsafeBytes(of: random.next()) { bytes += $0 }
    }
    return Array(bytes.prefix(count))
  }
}
