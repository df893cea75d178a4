// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Configuration
internal import Environment
internal import Glibc
package import Logging

/// The configuration that the daemon took last, kept beside the state: what to go back to, and what
/// `bmsd config diff` compares with while no daemon runs.
package enum LastGoodFile {
  /// Where it stands; nil without `[store]`.
  package static func path(_ configuration: Configuration) -> String? {
    let store = configuration.settings(StoreOptions.self)
    guard store.isPresent else { return nil }
    return "\(Privileges.folder(of: store.path.path))/bms.conf.good"
  }

  /// Where the file stands that the daemon began with: keys that need a restart hold as it has them.
  package static func startedPath(_ configuration: Configuration) -> String? {
    let store = configuration.settings(StoreOptions.self)
    guard store.isPresent else { return nil }
    return "\(Privileges.folder(of: store.path.path))/bms.conf.started"
  }

  /// What the daemon began with; nil where that is not known or may not be read.
  package static func started(_ configuration: Configuration) -> Configuration? {
    guard let path = startedPath(configuration), let bytes = try? SystemFiles().read(path) else {
      return nil
    }
    // By the name of the file itself, where relative paths begin.
    return Configuration(
      bytes: bytes, name: configuration.name, sections: sections, coming: comingSections,
      read: { try SystemFiles().read($0) })
  }

  /// The kept one; nil where there is none or it may not be read.
  package static func load(
    _ configuration: Configuration
  ) -> (path: String, configuration: Configuration)? {
    guard let path = path(configuration), access(path, R_OK) == 0 else { return nil }
    return (
      path,
      Configuration.load(
        path: path, sections: sections, coming: comingSections,
        read: { try SystemFiles().read($0) })
    )
  }

  /// Keeps a file's bytes at `path`; nil keeps nothing. A failure is only said: it is no reason not
  /// to serve.
  package static func keep(_ bytes: [UInt8], at path: String?, _ log: Logger) {
    guard let path else { return }
    // Renamed into place: half a file would be no good one. It may hold secrets.
    let new = "\(path).new"
    let descriptor = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      log.warning("\(new): \(String(cString: strerror(errno)))")
      return
    }
    var isWritten =
      bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      == bytes.count
    // On the disk before it has the name, or a power failure could leave an empty one.
    isWritten = fsync(descriptor) == 0 && isWritten
    isWritten = close(descriptor) == 0 && isWritten
    guard isWritten, rename(new, path) == 0 else {
      log.warning("\(path) could not be written")
      unlink(new)
      return
    }
    let folder = open(Privileges.folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }
}
