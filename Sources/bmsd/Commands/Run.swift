// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Glibc

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the daemon in the foreground.",
    discussion: """
      Made for systemd (Type=notify); logs to standard error. HUP and USR1 reload the file: a \
      broken one leaves the running configuration as it is. TERM and INT let messages under way \
      finish for at most [milter] drain; a second one ends at once.
      """)

  @OptionGroup var config: ConfigFile

  func run() throws {
    try config.requireReadable()
    let daemon: Daemon
    do {
      daemon = try Daemon(path: config.path)
    } catch {
      for line in error.lines { Terminal.error("bmsd: \(line)") }
      throw ExitCode(error.status)
    }
    // libmilter's threads may still run: what exit(3) would take down, they may be using.
    _exit(daemon.run())
  }
}
