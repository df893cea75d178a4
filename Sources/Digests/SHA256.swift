// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import CCrypto

/// A SHA-256 digest (FIPS 180-4): 32 octets.
package struct SHA256Digest: Sendable, Hashable, CustomStringConvertible {
  package let bytes: [UInt8]

  fileprivate init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Reads 64 hexadecimal digits; nil when `text` is something else.
  package init?(hexadecimal text: some StringProtocol) {
    guard let bytes = Hexadecimal.bytes(text), bytes.count == SHA256.length else { return nil }
    self.bytes = bytes
  }

  /// 64 hexadecimal digits in lower case, as sha256sum(1) prints them.
  package var description: String { Hexadecimal.text(bytes) }
}

/// Why there is no digest: libcrypto got no memory.
package struct DigestTrouble: Error, CustomStringConvertible {
  package let description = "libcrypto could not make a digest"
  fileprivate init() {}
}

/// A digest of bytes that come piece by piece.
package final class SHA256 {
  package static let length = Int(CCRYPTO_SHA256_LENGTH)

  private let context: UnsafeMutableRawPointer?
  private var isSound: Bool

  package init() {
    context = ccrypto_sha256_new()
    isSound = context != nil
  }

  deinit { ccrypto_sha256_free(context) }

  /// Goes on with the next bytes.
  package func update(_ bytes: UnsafeRawBufferPointer) {
    guard isSound, let base = bytes.baseAddress, bytes.count > 0 else { return }
    isSound = ccrypto_sha256_update(context, base, bytes.count)
  }

  /// Goes on with the next bytes.
  package func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes(update) }

  /// Goes on with the next bytes.
  package func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes(update) }

  /// The digest; only once.
  ///
  /// - Throws: when libcrypto failed, now or before.
  package func finish() throws(DigestTrouble) -> SHA256Digest {
    var digest = [UInt8](repeating: 0, count: Self.length)
    guard isSound, ccrypto_sha256_final(context, &digest) else { throw DigestTrouble() }
    isSound = false
    return SHA256Digest(digest)
  }

  /// The digest of `bytes`.
  package static func digest(of bytes: [UInt8]) throws(DigestTrouble) -> SHA256Digest {
    let digest = SHA256()
    digest.update(bytes)
    return try digest.finish()
  }
}

/// A message authentication code, HMAC-SHA256 (RFC 2104, RFC 4868).
package enum HMAC {
  /// The 32 octets of the code of `message` under `key`.
  package static func sha256(
    _ message: [UInt8], key: [UInt8]
  ) throws(DigestTrouble) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: SHA256.length)
    guard ccrypto_hmac_sha256(key, key.count, message, message.count, &code) else {
      throw DigestTrouble()
    }
    return code
  }

  /// Whether two codes are the same, in a time that does not tell where they differ.
  package static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && ccrypto_equal(left, right, left.count)
  }
}

/// Octets as hexadecimal digits.
package enum Hexadecimal {
  private static let digits = Array("0123456789abcdef".utf8)

  /// Two digits in lower case for each octet.
  package static func text(_ bytes: some Sequence<UInt8>) -> String {
    // A nibble always is a valid index of 16 digits.
    String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The octets of an even number of digits in any case; nil when `text` is something else.
  package static func bytes(_ text: some StringProtocol) -> [UInt8]? {
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in text.utf8 {
      guard let value = value(character) else { return nil }
      if let first = high {
        bytes.append(first << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return high == nil ? bytes : nil
  }

  private static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case 0x30...0x39: character & 0x0F
    case 0x41...0x46, 0x61...0x66: character & 0x0F &+ 9
    default: nil
    }
  }
}
