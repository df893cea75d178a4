// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

/// What went wrong between this side of the protocol and the filter.
public enum MilterClientError: Error, Sendable, Equatable {
  /// The text is not a socket specification.
  case badAddress(String)
  /// A system call failed; `code` is its errno.
  case system(call: String, code: Int32)
  /// The host name has no address.
  case unknownHost(String)
  /// The filter did not take or send a packet in time.
  case timedOut
  /// The filter hung up, or this side did before.
  case closed
  /// The filter sent what the protocol forbids; the text says what.
  case violation(String)
  /// The negotiated protocol has no such command.
  case unsupported(WireCommand)
}
