// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
package import Environment
package import Milter

/// A module with its settings, ready to make sessions.
package final class ConfiguredModule: Sendable {
  /// The section's name, by which log and trail call it.
  package let name: String
  package let summary: String
  /// Always `enforce` for modules whose section is no policy section.
  package let mode: Mode
  package let onError: OnError
  package let onlyTo: AddressSet
  package let stages: Set<Stage>
  /// The same, a bit for each by its order: asked ten times for each session.
  private let stageBits: UInt16
  package let edits: Actions
  /// Whether it has a mode of its own; others only gather facts.
  package let isPolicy: Bool
  let index: Int
  /// Whether its sessions may want whole messages.
  let readsContent: Bool
  let yieldsToAccept: Bool
  let informs: Bool
  let isForStrangersOnly: Bool
  let isProtective: Bool
  /// Whether it may refuse or defer.
  package let canRefuse: Bool
  /// Whether it keeps state in the database.
  package let needsStore: Bool
  /// Whether its section stands in the file.
  package let isPresent: Bool
  /// What it found that is no error.
  package let warnings: [SetupError]
  let makeSession: @Sendable () -> any PolicySession
  let refresh: @Sendable (Deadline) -> Void
  let takeOver: @Sendable (ConfiguredModule) -> Void
  let standingFaults: @Sendable () -> [String]
  private let module: any PolicyModule

  init<M: PolicyModule>(
    _ type: M.Type, index: Int, _ configuration: Configuration, _ services: Services
  ) throws(SetupError) {
    let module = try M(configuration.settings(M.Options.self), services)
    let policy = Self.policySettings(M.Options.self, configuration)
    self.index = index
    name = M.Options.name
    summary = M.Options.summary
    isPolicy = policy != nil
    mode = policy?.mode ?? .enforce
    onError = policy?.onError ?? .skip
    onlyTo = policy?.onlyTo ?? AddressSet()
    stages = Self.stages(of: M.Session.self).subtracting(module.idleStages)
    stageBits = stages.reduce(0) { $0 | 1 << UInt16($1.order) }
    readsContent = M.Session.self is any ContentStage.Type && stages.contains(.message)
    edits = M.edits
    yieldsToAccept = M.yieldsToAccept
    informs = M.informs
    isForStrangersOnly = M.isForStrangersOnly
    isProtective = M.isProtective
    canRefuse = M.canRefuse
    needsStore = M.needsStore
    isPresent = configuration.settings(M.Options.self).isPresent
    warnings = module.warnings
    makeSession = { module.makeSession() }
    self.module = module
    refresh = { module.refresh(by: $0) }
    takeOver = { if let old = $0.module as? M { module.takeOver(from: old) } }
    standingFaults = { module.standingFaults }
  }

  /// Whether `only_to` names all of these recipients, if it names any.
  func concerns(_ recipients: [Recipient]) -> Bool {
    onlyTo.items.isEmpty
      || !recipients.isEmpty && recipients.allSatisfy { onlyTo.contains($0.mailbox) }
  }

  func takesPart(in stage: Stage) -> Bool { stageBits & 1 << UInt16(stage.order) != 0 }

  /// Whether an allow-list can end it.
  var canBeAllowedPast: Bool { yieldsToAccept && !isProtective }

  private static func policySettings<S: Section>(
    _ section: S.Type, _ configuration: Configuration
  ) -> (mode: Mode, onError: OnError, onlyTo: AddressSet)? {
    guard let policy = section as? any PolicySection.Type else { return nil }
    return common(policy, configuration)
  }

  private static func common<S: PolicySection>(
    _ section: S.Type, _ configuration: Configuration
  ) -> (mode: Mode, onError: OnError, onlyTo: AddressSet) {
    let settings = configuration.settings(section)
    return (settings.mode, settings.onError, settings.onlyTo)
  }

  /// The stages a session takes part in, asked once at start: a cast costs more than most checks.
  static func stages(of session: any PolicySession.Type) -> Set<Stage> {
    var stages: Set<Stage> = []
    if session is any ConnectStage.Type { stages.insert(.connect) }
    if session is any HelloStage.Type { stages.insert(.hello) }
    if session is any SenderStage.Type { stages.insert(.sender) }
    if session is any RecipientStage.Type { stages.insert(.recipient) }
    if session is any DataStage.Type { stages.insert(.data) }
    if session is any HeaderStage.Type { stages.insert(.header) }
    if session is any EndOfHeadersStage.Type { stages.insert(.endOfHeaders) }
    if session is any BodyStage.Type { stages.insert(.body) }
    if session is any MessageStage.Type { stages.insert(.message) }
    if session is any FinishedStage.Type { stages.insert(.finished) }
    return stages
  }
}

/// The modules in their order with everything the runner needs; made once for each configuration
/// and shared by its connections.
package final class PolicyPipeline: Sendable {
  /// Modules that are not off, first to last.
  package let modules: [ConfiguredModule]
  package let network: NetworkPolicy
  package let services: Services
  package let configuration: Configuration
  package let references: ReferenceSource
  /// Modules that may want whole messages.
  let contentReaders: [Int]
  let buffers: BufferPool
  let faultPace: FaultPace
  let logsHeaders: Bool
  let remembersMessageID: Bool
  let remembersSubject: Bool
  /// In the order of stages: asked at every step of every message.
  private let byStage: [[Int]]

  /// Sets up every module, also those that are off, so that a fault shows before it bites.
  ///
  /// - Throws: all faults at once.
  package init(
    _ types: [any PolicyModule.Type], _ configuration: Configuration, _ services: Services,
    references: ReferenceSource? = nil
  ) throws(SetupFaults) {
    var modules: [ConfiguredModule] = []
    var faults: [SetupError] = []
    for type in types {
      do {
        let module = try Self.configure(type, index: modules.count, configuration, services)
        if module.mode != .off { modules.append(module) }
      } catch {
        faults.append(error)
      }
    }
    guard faults.isEmpty else { throw SetupFaults(faults: faults) }
    self.modules = modules
    self.configuration = configuration
    self.services = services
    let trail = configuration.settings(TrailOptions.self)
    remembersMessageID = trail.isPresent
    remembersSubject = trail.isPresent && trail.subject
    self.references = references ?? ReferenceSource(services, node: trail.node)
    network = NetworkPolicy(configuration.settings(NetworkOptions.self))
    logsHeaders = configuration.settings(LogOptions.self).headers
    faultPace = FaultPace(services.time)
    buffers = BufferPool(room: services.contentRoom)
    contentReaders = modules.indices.filter { modules[$0].readsContent }
    byStage = Stage.allCases.map { stage in
      modules.indices.filter { modules[$0].stages.contains(stage) }
    }
  }

  private static func configure<M: PolicyModule>(
    _ type: M.Type, index: Int, _ configuration: Configuration, _ services: Services
  ) throws(SetupError) -> ConfiguredModule {
    try ConfiguredModule(type, index: index, configuration, services)
  }

  /// Brings up to date what modules know of the outside; may block until `deadline`.
  package func refresh(by deadline: Deadline) {
    for module in modules where !deadline.isOver { module.refresh(deadline) }
  }

  /// Takes over what the modules of the pipeline before know of the outside.
  package func takeOver(from old: PolicyPipeline) {
    for module in modules {
      if let before = old.modules.first(where: { $0.name == module.name }) {
        module.takeOver(before)
      }
    }
  }

  /// What is wrong with that at the moment.
  package var standingFaults: [String] { modules.flatMap { $0.standingFaults() } }

  func modules(at stage: Stage) -> [Int] { byStage[stage.order] }

  /// What is wanted of the MTA.
  ///
  /// CONNECT, HELO, MAIL and RCPT always come, so that every verdict can name client, sender and
  /// recipients. Only RCPT is answered, DATA too when a module that enforces decides there.
  package var negotiation: Negotiation {
    var steps: Steps = [.connect, .hello, .sender, .recipient]
    var answered: Steps = [.recipient]
    for stage in Stage.allCases where !modules(at: stage).isEmpty { steps.insert(stage.step) }
    if !contentReaders.isEmpty { steps.formUnion([.header, .body]) }
    if modules(at: .data).contains(where: { modules[$0].mode == .enforce }) {
      answered.insert(.data)
    }
    // An MTA may put the last piece of the body into the end-of-message packet. libmilter asks the
    // body callback first and, when that answers no-reply, never comes to the end of message.
    if steps.contains(.body) { answered.insert(.body) }
    if logsHeaders || remembersMessageID { steps.insert(.header) }
    // A hold can be asked for by any module's verdict.
    let actions = modules.reduce(Actions.quarantine.union(.deleteRecipients)) {
      $0.union($1.edits)
    }
    return Negotiation(
      steps: steps, answered: answered, actions: actions, wantsRejectedRecipients: true,
      macros: MacroWishes.byStage)
  }

  /// What is wrong with an order: a fact that is needed or read before a module provides it.
  package static func orderFaults(in types: [any PolicyModule.Type]) -> [String] {
    var faults: [String] = []
    var provided: Set<ObjectIdentifier> = []
    let everProvided = Set(types.flatMap { $0.provides.map { ObjectIdentifier($0) } })
    for type in types {
      for fact in type.needs where !provided.contains(ObjectIdentifier(fact)) {
        let known = everProvided.contains(ObjectIdentifier(fact))
        faults.append(
          "\(type) needs \(fact) "
            + (known ? "before it is provided" : "but no module provides it"))
      }
      for fact in type.reads
      where everProvided.contains(ObjectIdentifier(fact))
        && !provided.contains(ObjectIdentifier(fact))
      {
        faults.append("\(type) reads \(fact) before it is provided")
      }
      provided.formUnion(type.provides.map { ObjectIdentifier($0) })
    }
    return faults
  }
}

/// All faults of one set-up.
package struct SetupFaults: Error {
  package let faults: [SetupError]
}
