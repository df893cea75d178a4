// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Archives
package import Attachments
package import Configuration
internal import MIME
package import Policy

extension AttachmentRules {
  /// What `[defang]` says is dangerous, and how far it is looked for.
  ///
  /// - Throws: what is wrong with `banned_exts`.
  package init(_ settings: Settings<DefangOptions>) throws(SetupError) {
    self.init(banned: try BannedExtensions(settings.bannedExtensions))
    scansArchives = settings.scanArchives
    scansMessages = settings.scanMessages
    limits.depth = settings.maximumDepth
    limits.parts = settings.maximumParts
    limits.headerBytes = settings.maximumHeader.bytes
    limits.namesPerPart = settings.maximumNames
    limits.decodedBytes = settings.maximumDecoded.bytes
    archiveLimits.visits = settings.archiveEntries
    archiveLimits.depth = settings.archiveDepth
    archiveLimits.ratio = settings.archiveRatio
    archiveLimits.bytes = settings.maximumDecoded.bytes
    archiveLimits.searchedBytes = settings.maximumDecoded.bytes
  }
}

extension BannedExtensions {
  /// Reads `banned_exts`.
  fileprivate init(_ list: TextList) throws(SetupError) {
    var extensions: Set<String> = []
    var exceptions: Set<String> = []
    if list.items.isEmpty {
      throw Self.error("no extension is banned by this: write default, or mode = off")
    }
    // Only exceptions are exceptions from the default list.
    if list.items.allSatisfy({ $0.hasPrefix("-") }) { extensions.formUnion(Self.standard) }
    for item in list.items.map({ $0.lowercased() }) {
      if item == "default" {
        extensions.formUnion(Self.standard)
      } else if item.hasPrefix("-") {
        exceptions.insert(String(item.dropFirst().drop { $0 == "." }))
      } else {
        extensions.insert(String(item.drop { $0 == "." || $0 == "*" }))
      }
    }
    if let misspelt = extensions.first(where: { $0.hasPrefix("def") && $0.utf8.count > 5 }) {
      throw Self.error(
        "\"\(misspelt)\" is no extension of a file: is the word default meant?")
    }
    for word in extensions.union(exceptions) where !Self.isExtension(word) {
      throw Self.error(
        "\"\(word)\" is no extension of a file; write exe, or -exe to take it off the default list")
    }
    self.init(extensions.subtracting(exceptions))
  }

  /// Exceptions from what is not banned in the first place.
  static func idleExceptions(_ list: TextList) -> [String] {
    let items = list.items.map { $0.lowercased() }
    let banned = Set(standard).union(items)
    return items.filter { $0.hasPrefix("-") }.map { String($0.dropFirst().drop { $0 == "." }) }
      .filter { !banned.contains($0) }
  }

  private static func isExtension(_ word: String) -> Bool {
    !word.isEmpty && word.utf8.count <= 40
      && word.allSatisfy { $0.isLetter || $0.isNumber || "-_.+{}".contains($0) }
  }

  private static func error(_ message: String) -> SetupError {
    SetupError(option: "defang.banned_exts", message)
  }
}
