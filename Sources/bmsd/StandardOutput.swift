// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

// Its `stdout` is a variable of C, which nobody changes here.
@preconcurrency internal import Glibc

/// What became of everything that was printed.
enum StandardOutput {
  /// Writes what waits.
  ///
  /// - Returns: false when any of it was lost, also of what was written before.
  static func flush() -> Bool { fflush(nil) == 0 && ferror(stdout) == 0 }
}
