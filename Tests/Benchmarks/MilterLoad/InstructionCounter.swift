// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Foundation

/// Instructions of a process, outside the kernel and in it.
struct Instructions: Codable {
  var user: Double
  var kernel: Double
}

/// Counts a process's instructions by perf(1), from the moment it is made until `stop()`: other
/// load of the machine hardly moves them.
final class InstructionCounter {
  private let perf = Process()
  private let output: URL
  private let pipes: [URL]

  /// Nil where there is no perf, or it may not count: in most virtual machines and containers.
  init?(of process: pid_t, folder: URL) {
    let label = UUID().uuidString.prefix(8)
    output = folder.appending(path: "perf-\(label)")
    pipes = ["control", "answer"].map { folder.appending(path: "perf-\(label)-\($0)") }
    guard let program = Self.program else { return nil }
    // Open both ways, so that opening waits for nobody.
    let descriptors = pipes.map { mkfifo($0.path, 0o600) == 0 ? open($0.path, O_RDWR) : -1 }
    defer { for descriptor in descriptors where descriptor >= 0 { close(descriptor) } }
    guard let control = descriptors.first, let answer = descriptors.last, control >= 0, answer >= 0
    else { return nil }
    perf.executableURL = URL(filePath: program)
    perf.arguments = [
      "stat", "-x", ",", "-e", "instructions:u,instructions:k", "-D", "-1", "--control",
      "fifo:" + pipes.map(\.path).joined(separator: ","), "-p", "\(process)", "-o", output.path,
    ]
    perf.standardOutput = FileHandle.nullDevice
    perf.standardError = FileHandle.nullDevice
    guard (try? perf.run()) != nil else { return nil }
    let order = Array("enable\n".utf8)
    var waiting = pollfd(fd: answer, events: Int16(POLLIN), revents: 0)
    // It answers once it counts.
    guard write(control, order, order.count) == order.count, poll(&waiting, 1, 5_000) == 1 else {
      _ = stop()
      return nil
    }
  }

  private static var program: String? {
    ["/usr/bin/perf", "/usr/local/bin/perf"].first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }

  /// What was counted; nil where perf says that it cannot.
  func stop() -> Instructions? {
    perf.interrupt()
    perf.waitUntilExit()
    defer { for file in pipes + [output] { try? FileManager.default.removeItem(at: file) } }
    guard let text = try? String(contentsOf: output, encoding: .utf8) else { return nil }
    let count = { (event: String) in
      text.split(separator: "\n").first { $0.contains(event) }?
        .split(separator: ",").first.flatMap { Double($0) }
    }
    guard let user = count("instructions:u"), let kernel = count("instructions:k") else {
      return nil
    }
    return Instructions(user: user, kernel: kernel)
  }
}
