// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Mail
package import Milter
package import Policy
internal import Quarantine
internal import Store

/// Lets a released message past the filter, once, as what it was when it first came.
///
/// `bmsd quarantine release` sends it with a token on top. At end of message the token is proved
/// against what follows it and the recipients, and is used then; its field is taken off, whatever it
/// was worth. A token that is no good changes nothing else: the message is judged as any other.
///
/// The message comes from our own MTA's loopback, so nothing that looks at strangers runs; what
/// later modules would do by the client is done by the original's class, which is put back here.
package struct ReleasePolicy: PolicyModule {
  package typealias Options = QuarantineOptions

  /// Why mail is let through.
  package enum Code: String, ReasonCode {
    case released
    case notProved = "release-not-proved"

    package var sentence: String {
      switch self {
      case .released: "It was released from the quarantine: {detail}."
      case .notProved: "Whether it was released could not be found out: {detail}."
      }
    }
  }

  package static var reasons: [String: String] { Code.sentences }
  package static var needs: [any Fact.Type] { [ClientClassFact.self] }
  package static var provides: [any Fact.Type] { [ReleasedFact.self] }
  package static var edits: Actions { [.changeHeaders] }
  package static var yieldsToAccept: Bool { false }
  package static var needsStore: Bool { true }

  let quarantine: any QuarantineStore
  private let isPresent: Bool

  package init(
    _ settings: Settings<Options>, _ services: Services
  ) throws(SetupError) {
    quarantine = services.releases
    isPresent = settings.isPresent
  }

  package var idleStages: Set<Stage> {
    isPresent ? [] : [.header, .body, .message, .finished]
  }

  package func makeSession() -> Session { Session(module: self) }

  /// The most token fields that are taken off; no mail program makes more than one.
  static let maximumFields = 1000

  package final class Session: HeaderStage, BodyStage, MessageStage, FinishedStage {
    let module: ReleasePolicy
    private var work: Work?
    /// The message whose first field came.
    private var begun: Reference?

    init(module: ReleasePolicy) { self.module = module }

    package func header(_ field: HeaderField, _ t: Transaction) -> Verdict {
      let isFirst = begun != t.reference
      begun = t.reference
      if let work, work.reference == t.reference {
        work.take(field)
      } else if field.isNamed(ReleaseToken.fieldName) {
        let work = Work(t.reference)
        self.work = work
        // What stands above it would not be covered by it.
        guard isFirst else {
          work.fault = .notOnTop
          return .proceed
        }
        return begin(work, ReleaseToken(field.value))
      }
      return .proceed
    }

    /// The first token counts. What follows it is worth a digest only if the token was given out.
    private func begin(_ work: Work, _ token: ReleaseToken?) -> Verdict {
      guard let token else {
        work.fault = .unreadable
        return .proceed
      }
      do throws(QuarantineTrouble) {
        if try module.quarantine.knows(token) { work.expect(token) } else { work.fault = .unknown }
      } catch {
        return module.notProved(error)
      }
      return .proceed
    }

    package func body(_ chunk: RawSpan, _ t: Transaction) -> Verdict {
      guard let work, work.reference == t.reference else { return .proceed }
      chunk.withUnsafeBytes { work.take(body: $0) }
      return .proceed
    }

    package func message(_ t: Transaction) -> Verdict {
      guard let work, work.reference == t.reference else { return .proceed }
      // From the last to the first: removing one must not shift the numbers of those still to go.
      for occurrence in (1...min(work.tokens, ReleasePolicy.maximumFields)).reversed() {
        t.add(
          .changeHeader(name: ReleaseToken.fieldName, occurrence: occurrence, value: nil))
      }
      do throws(QuarantineTrouble) {
        let fault: TokenFault
        switch try work.redeem(module.quarantine, t) {
        case .good(let release, let original): return pass(release, original, t)
        case .bad(let why): fault = why
        }
        t.note("\(ReleaseToken.fieldName) removed: the token is \(fault.rawValue)")
        return .proceed
      } catch {
        return module.notProved(error)
      }
    }

    private func pass(_ release: Release, _ original: KeptMail?, _ t: Transaction) -> Verdict {
      t[ReleasedFact.self] = ReleasedMail(
        reference: release.reference, form: release.form, caller: release.caller,
        reason: release.reason, direction: original?.direction ?? "")
      if let words = original?.clientClass, let now = t[ClientClassFact.self],
        let then = now.restored(from: words)
      {
        t[ClientClassFact.self] = then
      }
      var detail = "\(release.reference) as \(release.form) by \(release.caller)"
      if !release.reason.isEmpty { detail += ": \(release.reason)" }
      return .accept(Reason(module: Options.name, code: Code.released.rawValue, detail: detail))
    }

    package func finished(_ ending: TransactionRecord.Ending, _ t: Transaction) { work = nil }
  }

  /// Our own trouble: whoever sent it tries again.
  private func notProved(_ trouble: QuarantineTrouble) -> Verdict {
    .refuse(
      .transient(3, 0, "Temporary trouble on our side, please try again later"),
      Reason(module: Options.name, code: Code.notProved.rawValue, detail: trouble.description))
  }
}

/// A message with a token, as far as it came. It is no fact, because a digest in the making cannot be
/// sent anywhere; the reference tells whose it is.
private final class Work {
  let reference: Reference
  /// Fields of the token's name.
  private(set) var tokens = 1
  /// Why the token is no good.
  var fault = TokenFault.unknown
  private var expected: (token: ReleaseToken, digest: MessageDigest)?
  private var isInBody = false

  init(_ reference: Reference) { self.reference = reference }

  func expect(_ token: ReleaseToken) { expected = (token, MessageDigest()) }

  func take(_ field: HeaderField) {
    if field.isNamed(ReleaseToken.fieldName) { tokens += 1 }
    // What the MTA added behind what was sent does not count.
    guard let expected, expected.digest.fields < expected.token.fields else { return }
    expected.digest.take(field)
  }

  func take(body: UnsafeRawBufferPointer) {
    endHeaders()
    expected?.digest.take(body)
  }

  private func endHeaders() {
    guard !isInBody else { return }
    isInBody = true
    expected?.digest.endHeaders()
  }

  func redeem(
    _ quarantine: any QuarantineStore, _ t: Transaction
  ) throws(QuarantineTrouble) -> Redemption {
    guard let expected else { return .bad(fault) }
    endHeaders()
    do {
      return try quarantine.redeem(
        expected.token, for: try expected.digest.finish(), to: t.recipients.map(\.path),
        by: t.reference.description, deadline: t.deadline)
    } catch let trouble as QuarantineTrouble {
      throw trouble
    } catch {
      throw .digest("\(error)")
    }
  }
}
