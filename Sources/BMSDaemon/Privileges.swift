// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Glibc

/// Whose rights the process has.
package enum Privileges {
  /// What became of a process.
  package enum Outcome: Sendable, Equatable {
    /// It is not root, or has no folder to go by.
    case unchanged
    /// It is now this user.
    case became(uid: UInt32)
    /// The folder is root's.
    case staysRoot
  }

  /// Why the rights cannot be given up.
  package struct Trouble: Error, CustomStringConvertible {
    package let description: String
  }

  /// Lets a process of root become the owner of the folder in which `path` lies, with that user's
  /// groups. Call it after sockets and input are open and before a database is.
  package static func becomeOwner(ofFolderOf path: String) throws(Trouble) -> Outcome {
    guard geteuid() == 0 else { return .unchanged }
    let folder = folder(of: path)
    var status = stat()
    guard stat(folder, &status) == 0 else {
      throw Trouble(
        description: "\(folder): \(String(cString: strerror(errno))); create it, owned by bmsd's "
          + "user")
    }
    guard status.st_uid != 0 else { return .staysRoot }
    let entry = getpwuid(status.st_uid)
    let group = entry?.pointee.pw_gid ?? status.st_gid
    // With the user's other groups: postfix, say, for sockets.
    var groups = [group]
    let result = entry.map { initgroups($0.pointee.pw_name, group) } ?? setgroups(1, &groups)
    guard result == 0, setgid(group) == 0, setuid(status.st_uid) == 0 else {
      throw Trouble(
        description: "cannot become user \(status.st_uid), the owner of \(folder): "
          + String(cString: strerror(errno)))
    }
    // A change that can be undone is none.
    guard setuid(0) != 0, geteuid() == status.st_uid else {
      throw Trouble(description: "root's rights could not be given up")
    }
    return .became(uid: status.st_uid)
  }

  /// Whose the folder is in which `path` lies.
  static func owner(ofFolderOf path: String) -> UInt32? {
    var status = stat()
    return stat(folder(of: path), &status) == 0 ? status.st_uid : nil
  }

  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
