// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

package import Environment
internal import Synchronization

/// A folder of the machine one of whose steps fails, from the `after`-th call of it on.
package final class FailingFolder: Folder {
  /// A step of writing a file.
  package enum Step: String, Sendable, CaseIterable {
    case create, write, synchronizeFile, rename, synchronizeFolder, remove, files, read, check
  }

  private struct Plan {
    var step: Step
    var code: Int32
    var calls: Int
  }

  private let real: SystemFolder
  private let plan = Mutex<Plan?>(nil)
  private let free = Mutex<Int?>(nil)

  package init(_ path: String) { real = SystemFolder(path) }

  package var path: String { real.path }

  /// Lets a step fail with the system's `code` after so many calls that go well.
  package func fail(_ step: Step, with code: Int32, after calls: Int = 0) {
    plan.withLock { $0 = Plan(step: step, code: code, calls: calls) }
  }

  /// Sets how many bytes the folder says are free; nil for what the system says.
  package func setFree(_ bytes: Int?) { free.withLock { $0 = bytes } }

  /// Lets all go well again.
  package func recover() { plan.withLock { $0 = nil } }

  fileprivate func pass(_ step: Step) throws(FileTrouble) {
    let code: Int32? = plan.withLock { plan in
      guard var known = plan, known.step == step else { return nil }
      known.calls -= 1
      plan = known
      return known.calls < 0 ? known.code : nil
    }
    if let code { throw FileTrouble(code) }
  }

  package func create(_ name: String) throws(FileTrouble) -> any NewFile {
    try pass(.create)
    return FailingFile(folder: self, real: try real.create(name))
  }

  package func rename(_ old: String, to new: String) throws(FileTrouble) {
    try pass(.rename)
    try real.rename(old, to: new)
  }

  package func synchronize() throws(FileTrouble) {
    try pass(.synchronizeFolder)
    try real.synchronize()
  }

  @discardableResult
  package func remove(_ name: String) throws(FileTrouble) -> Bool {
    try pass(.remove)
    return try real.remove(name)
  }

  package func contains(_ name: String) throws(FileTrouble) -> Bool { try real.contains(name) }

  package func files() throws(FileTrouble) -> [FolderFile] {
    try pass(.files)
    return try real.files()
  }

  package func read(_ name: String, limit: Int) throws(FileTrouble) -> [UInt8] {
    try pass(.read)
    return try real.read(name, limit: limit)
  }

  package func check() throws(FileTrouble) {
    try pass(.check)
    try real.check()
  }

  package var freeBytes: Int? { free.withLock { $0 } ?? real.freeBytes }
}

private struct FailingFile: NewFile {
  let folder: FailingFolder
  let real: any NewFile

  func write(_ bytes: UnsafeRawBufferPointer) throws(FileTrouble) {
    do throws(FileTrouble) { try folder.pass(.write) } catch {
      // As on a full disk: half of it is there.
      try real.write(UnsafeRawBufferPointer(rebasing: bytes.prefix(bytes.count / 2)))
      throw error
    }
    try real.write(bytes)
  }

  func synchronize() throws(FileTrouble) {
    try folder.pass(.synchronizeFile)
    try real.synchronize()
  }
}
