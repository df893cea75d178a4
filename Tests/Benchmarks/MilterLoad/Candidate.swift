// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation
import MilterClient

/// Something that cannot be measured, in words.
struct BenchmarkError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A milter in a process of its own, with what it costs; killed with the value.
final class Candidate {
  let name: String
  let address: MilterAddress
  private let process = Process()

  /// Starts `arguments` and waits until it takes connections at `address`; what it says goes to
  /// the file `log`.
  init(_ name: String, _ arguments: [String], at address: MilterAddress, log: String) throws {
    self.name = name
    self.address = address
    guard let program = arguments.first, FileManager.default.isExecutableFile(atPath: program)
    else { throw BenchmarkError("\(arguments.first ?? "nothing") is no program") }
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    guard let output = FileHandle(forWritingAtPath: log) else {
      throw BenchmarkError("cannot write \(log)")
    }
    process.executableURL = URL(filePath: program)
    process.arguments = Array(arguments.dropFirst())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = output
    try process.run()
    for _ in 0..<200 where process.isRunning {
      // A socket takes connections before the milter does: only an answer proves that it runs.
      if let session = try? MilterSession(connectingTo: address),
        (try? session.negotiate()) != nil
      {
        session.closeAbruptly()
        return
      }
      usleep(50_000)
    }
    stop()
    throw BenchmarkError("\(name) does not listen at \(address); see \(log)")
  }

  deinit { stop() }

  /// Ends the process; it has nothing to lose.
  func stop() {
    guard process.isRunning else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Processor time so far, of user and system, in nanoseconds.
  func processorTime() throws -> Int {
    var clock: clockid_t = 0
    var time = timespec()
    guard clock_getcpuclockid(process.processIdentifier, &clock) == 0,
      clock_gettime(clock, &time) == 0
    else { throw BenchmarkError("no processor time of \(name): did it end?") }
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  /// Counts instructions from now on; nil where that is not possible.
  func countInstructions() -> InstructionCounter? {
    InstructionCounter(
      of: process.processIdentifier, folder: FileManager.default.temporaryDirectory)
  }

  /// Waits until nothing is done any more: what follows an answer, the trail for one, belongs to
  /// the cost of the message.
  func settle() throws {
    var last = try processorTime()
    var calm = 0
    for _ in 0..<100 where calm < 4 {
      usleep(100_000)
      let now = try processorTime()
      calm = now - last < 1_000_000 ? calm + 1 : 0
      last = now
    }
  }

  /// A number of proc(5)'s status: `VmRSS` and `VmHWM` in KiB, `Threads`.
  func status(_ key: String) throws -> Int {
    let path = "/proc/\(process.processIdentifier)/status"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let line = text.split(separator: "\n").first { $0.hasPrefix("\(key):") } ?? ""
    let number = line.split(whereSeparator: \.isWhitespace).dropFirst().first
    guard let number, let value = Int(number) else { throw BenchmarkError("no \(key) of \(name)") }
    return value
  }
}
