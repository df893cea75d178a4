// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Mail
package import Milter
package import Policy

/// Name and traits of a scripted module: what is a property of its type.
package protocol ScriptTraits: Sendable {
  static var name: String { get }
  static var yieldsToAccept: Bool { get }
  static var isForStrangersOnly: Bool { get }
  static var isProtective: Bool { get }
}

extension ScriptTraits {
  package static var yieldsToAccept: Bool { true }
  package static var isForStrangersOnly: Bool { false }
  package static var isProtective: Bool { false }
}

/// Traits for tests, each a section of that name.
package enum Traits {
  package enum One: ScriptTraits { package static let name = "one" }
  package enum Two: ScriptTraits { package static let name = "two" }
  package enum Three: ScriptTraits { package static let name = "three" }
  package enum Strangers: ScriptTraits {
    package static let name = "strangers"
    package static let isForStrangersOnly = true
  }
  package enum Shield: ScriptTraits {
    package static let name = "shield"
    package static let isProtective = true
  }
  package enum Steady: ScriptTraits {
    package static let name = "steady"
    package static let yieldsToAccept = false
  }
}

/// A module that does what its section says, at every stage:
///
///     [one]
///     mode = enforce
///     connect = refuse
///     rcpt = if bob@ discard
///
/// It takes part in all stages but DATA, so that DATA stays unanswered; `ScriptedWithData` adds it.
package struct Scripted<Name: ScriptTraits>: PolicyModule {
  package struct Options: PolicySection {
    package static var name: String { Name.name }
    package static var summary: String { "Does what it is told" }
    let connect = ConfigOption("connect", default: Script(), help: "At CONNECT.")
    let hello = ConfigOption("helo", default: Script(), help: "At HELO.")
    let sender = ConfigOption("mail", default: Script(), help: "At MAIL.")
    let recipient = ConfigOption("rcpt", default: Script(), help: "At RCPT.")
    let data = ConfigOption("data", default: Script(), help: "At DATA.")
    let header = ConfigOption("header", default: Script(), help: "At each field.")
    let endOfHeaders = ConfigOption("eoh", default: Script(), help: "At the headers' end.")
    let body = ConfigOption("body", default: Script(), help: "At each chunk.")
    let message = ConfigOption("eom", default: Script(), help: "At end of message.")
    package init() {}
  }

  package static var yieldsToAccept: Bool { Name.yieldsToAccept }
  package static var isForStrangersOnly: Bool { Name.isForStrangersOnly }
  package static var isProtective: Bool { Name.isProtective }
  package static var edits: Actions { [.addHeaders] }

  let settings: Settings<Options>
  let services: Services

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    self.settings = settings
    self.services = services
  }

  package func makeSession() -> ScriptedSession<Name> { ScriptedSession(self) }
}

/// The session of `Scripted`.
package class ScriptedSession<Name: ScriptTraits>: ConnectStage, HelloStage, SenderStage,
  RecipientStage, HeaderStage, EndOfHeadersStage, BodyStage, MessageStage
{
  let module: Scripted<Name>

  init(_ module: Scripted<Name>) { self.module = module }

  func perform(_ script: Script, _ subject: MailText, _ t: Transaction) throws -> Verdict {
    try script.perform(Name.name, subject, t, module.services.time)
  }

  package func connect(_ t: Transaction) throws -> Verdict {
    try perform(module.settings.connect, t.peer.hostName, t)
  }
  package func hello(_ name: MailText, _ t: Transaction) throws -> Verdict {
    try perform(module.settings.hello, name, t)
  }
  package func sender(_ t: Transaction) throws -> Verdict {
    try perform(module.settings.sender, t.sender?.path ?? "", t)
  }
  package func recipient(_ recipient: Recipient, _ t: Transaction) throws -> Verdict {
    try perform(module.settings.recipient, recipient.path, t)
  }
  package func header(_ field: HeaderField, _ t: Transaction) throws -> Verdict {
    try perform(module.settings.header, field.name, t)
  }
  package func endOfHeaders(_ t: Transaction) throws -> Verdict {
    try perform(module.settings.endOfHeaders, "", t)
  }
  package func body(_ chunk: RawSpan, _ t: Transaction) throws -> Verdict {
    try perform(module.settings.body, "", t)
  }
  package func message(_ t: Transaction) throws -> Verdict {
    try perform(module.settings.message, "", t)
  }
}

/// A scripted module that also decides at DATA, which makes DATA an answered step.
package struct ScriptedWithData<Name: ScriptTraits>: PolicyModule {
  package typealias Options = Scripted<Name>.Options
  private let inner: Scripted<Name>

  package static var edits: Actions { [.addHeaders] }

  package init(_ settings: Settings<Options>, _ services: Services) throws(SetupError) {
    inner = try Scripted(settings, services)
  }

  package func makeSession() -> Session { Session(inner) }

  package final class Session: ScriptedSession<Name>, DataStage {
    package func data(_ t: Transaction) throws -> Verdict {
      try perform(module.settings.data, "", t)
    }
  }
}

package typealias One = Scripted<Traits.One>
package typealias Two = Scripted<Traits.Two>
package typealias Three = Scripted<Traits.Three>
package typealias Strangers = Scripted<Traits.Strangers>
package typealias Shield = Scripted<Traits.Shield>
package typealias Steady = Scripted<Traits.Steady>
package typealias OneWithData = ScriptedWithData<Traits.One>
