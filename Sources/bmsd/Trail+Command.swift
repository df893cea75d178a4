// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Environment
internal import Glibc
internal import Mail
internal import Policy
internal import Store

extension ConfigFile {
  /// The trail of a configuration, for reading; root is the owner of the store's folder afterwards,
  /// so read everything else before.
  ///
  /// - Throws: an exit status after what is wrong is printed: 78 for a faulty file, 69 when the
  ///   trail is off, 66 when there is none yet or it is damaged, 77 for whom may not read it.
  func openTrail() throws -> (reader: TrailReader, configuration: Configuration) {
    let configuration = try soundConfiguration()
    let options = configuration.settings(TrailOptions.self)
    guard options.isPresent else {
      Terminal.error("bmsd: the trail is off: \(path) has no section [trail]")
      throw ExitCode(EX_UNAVAILABLE)
    }
    var file = options.path.path
    // The daemon writes on where it began, until it is started again.
    let began = LastGoodFile.started(configuration)?.settings(TrailOptions.self)
    if let began, began.isPresent, began.path.path != file, access(began.path.path, F_OK) == 0 {
      Terminal.error(
        "bmsd: this is \(began.path.path), as at the last start; [trail] path = \(file) holds from a "
          + "restart on")
      file = began.path.path
    }
    guard access(file, F_OK) == 0 || errno != ENOENT else {
      Terminal.error("bmsd: there is no trail at \(file) yet; has the daemon run since [trail]?")
      throw ExitCode(EX_NOINPUT)
    }
    let store = configuration.settings(StoreOptions.self)
    try Rights.becomeOwner(ofFolderOf: store.isPresent ? store.path.path : file)
    do {
      return (try TrailReader(path: file), configuration)
    } catch .readOnly {
      Terminal.error("bmsd: \(file): it cannot be read\(Rights.hint)")
      throw ExitCode(EX_NOPERM)
    } catch {
      Terminal.error("bmsd: \(file): \(error)")
      throw ExitCode(EX_NOINPUT)
    }
  }
}

extension ConfigFile {
  /// The configuration, or the one that the daemon took last where the file is broken since.
  ///
  /// - Throws: exit 78 after the faults are printed, when there is no such one.
  private func soundConfiguration() throws -> Configuration {
    let configuration = try setup().configuration
    guard configuration.hasErrors else { return configuration }
    guard let good = LastGoodFile.load(configuration), !good.configuration.hasErrors else {
      for fault in configuration.faults { Terminal.error(fault.description) }
      throw ExitCode(EX_CONFIG)
    }
    for fault in configuration.faults where fault.severity == .error {
      Terminal.error(fault.description)
    }
    Terminal.error("bmsd: going by the file that the daemon took last, \(good.path)")
    return good.configuration
  }
}

/// What reading the trail has in common.
enum Trail {
  /// Runs `body`; what the database says becomes a line and exit status 75.
  static func reading<T>(_ body: () throws -> T) throws -> T {
    do {
      return try body()
    } catch let trouble as StoreTrouble {
      Terminal.error("bmsd: \(trouble)")
      throw ExitCode(EX_TEMPFAIL)
    }
  }
}

/// `--since` and `--until`.
enum Moment {
  /// Milliseconds since 1970 of what a person typed.
  static func parse(_ text: String, option: String) throws -> Int64 {
    do throws(ValueError) {
      return try TimeText.local.parse(text, now: SystemTime().milliseconds)
    } catch {
      throw ValidationError("--\(option): \(error.message)")
    }
  }
}

extension TrailEntry {
  /// The whole entry as one JSON object.
  var json: String {
    Terminal.json([
      ("ref", .string(reference)), ("time", .number(Int(time))), ("verdict", .string(ending)),
      ("reply", JSONValue(reply)), ("client", .string("\(client)")),
      ("name", .string("\(clientName)")), ("helo", JSONValue(hello?.description)),
      ("auth", JSONValue(user?.description)), ("from", JSONValue(sender?.description)),
      ("to", .array(namedRecipients.map { .string("\($0)") })),
      ("recipients", .number(acceptedRecipients)), ("refused", .number(refusedRecipients)),
      ("unknown", .number(unknownRecipients)), ("queue_id", JSONValue(queueID?.description)),
      ("message_id", JSONValue(messageID?.description)),
      ("subject", JSONValue(subject?.description)), ("size", .number(size)),
      ("node", .string(node)), ("decisions", .array(decisions.map(\.json))),
      ("edits", .array(edits.map(\.json))),
    ])
  }
}

extension TrailDecision {
  var json: JSONValue {
    .object([
      ("stage", .string(stage)), ("module", .string(module)), ("mode", .string(mode)),
      ("verdict", .string(verdict)), ("effect", .string(effect)), ("reply", JSONValue(reply)),
      ("reason", JSONValue(code)), ("detail", JSONValue(detail)), ("option", JSONValue(option)),
      ("at", JSONValue(place)), ("recipient", JSONValue(recipient?.description)),
      ("note", JSONValue(note)), ("us", .number(Int(duration))),
    ])
  }
}

extension TrailEdit {
  var json: JSONValue {
    .object([
      ("kind", .string(kind)), ("value", JSONValue(value?.description)), ("made", .bool(isMade)),
    ])
  }
}
