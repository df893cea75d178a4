// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import Environment
internal import Glibc
package import Store

/// Why the quarantine could not keep a message, or give one back.
///
/// Never a reason to lose or refuse mail: what could not be kept is deferred.
package enum QuarantineTrouble: Error, Equatable, CustomStringConvertible {
  /// The file has no `[quarantine]`, or no `[store]` for its index.
  case absent
  /// No space left on the device, or a tenth of `[store] min_free`.
  case full(path: String)
  /// The message is larger than all that the quarantine may hold.
  case tooLarge(size: Int, limit: Int)
  /// The folder is not there.
  case missing(path: String)
  /// The folder may not be written by this process.
  case notWritable(path: String)
  /// The folder's files cannot be renamed within it.
  case otherFileSystem(path: String)
  /// What else the system says of the folder.
  case folder(path: String, String)
  /// The index could not be written or read.
  case index(StoreTrouble)
  /// The reference is none, or was used for another message already.
  case badReference(String)
  /// The file of a kept message, or the folder, is not there any more.
  case gone(reference: String, what: String)
  /// The file of a kept message is not what was written.
  case damaged(reference: String)
  /// libcrypto failed.
  case digest(String)

  init(_ trouble: FileTrouble, path: String) {
    switch trouble.code {
    case ENOSPC, EDQUOT: self = .full(path: path)
    case ENOENT, ENOTDIR: self = .missing(path: path)
    case EACCES, EPERM, EROFS: self = .notWritable(path: path)
    case EXDEV: self = .otherFileSystem(path: path)
    default: self = .folder(path: path, trouble.description)
    }
  }

  package var description: String {
    switch self {
    case .absent: "there is no quarantine: add the sections [quarantine] and [store]"
    case .full(let path): "\(path): no space is left for the quarantine"
    case .tooLarge(let size, let limit):
      "the message of \(size) bytes is larger than [quarantine] max_size (\(limit))"
    case .missing(let path):
      "\(path): the folder of the quarantine is not there; make it for bmsd's user, mode 0750"
    case .notWritable(let path): "\(path): the folder of the quarantine cannot be written by bmsd"
    case .otherFileSystem(let path):
      "\(path): files of the quarantine cannot be renamed within their folder"
    case .folder(let path, let text): "\(path): \(text)"
    case .index(let trouble): "the index of the quarantine: \(trouble)"
    case .badReference(let reference): "\(reference) cannot be the reference of another message"
    case .gone(let reference, let what):
      "the original of \(reference) is gone: \(what) is not there; "
        + "bmsd quarantine delete \(reference) forgets it"
    case .damaged(let reference): "the file of \(reference) is not what was kept"
    case .digest(let text): text
    }
  }
}
