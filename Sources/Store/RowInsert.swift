// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB
internal import GRDBSQLite
internal import Mail

/// Writes rows with one statement, each value bound from its own bytes.
///
/// A message of the trail has a dozen rows of fifteen columns, and GRDB's way of making a value of
/// each costs more than SQLite's work on them.
struct RowInsert {
  private let statement: Statement
  private var column: Int32 = 0

  /// Rows of `statement`, whose arguments are bound by position.
  init(_ statement: Statement) { self.statement = statement }

  /// Binds the next column.
  mutating func bind(_ number: Int64) {
    column += 1
    sqlite3_bind_int64(statement.sqliteStatement, column, number)
  }

  /// Binds the next column.
  mutating func bind(_ number: Int) { bind(Int64(number)) }

  /// Binds the next column to text of our own, cut to `TrailEntry.Limit.field` at a character's
  /// border; nil is NULL.
  mutating func bind(_ text: String?) {
    guard let text else { return bindNull() }
    guard text.utf8.count > TrailEntry.Limit.field else { return bind(whole: text) }
    // The first bytes may end within a character, which then reads as a replacement character.
    bind(whole: String(decoding: text.utf8.prefix(TrailEntry.Limit.field), as: UTF8.self))
  }

  /// Binds the next column to a text of any length.
  mutating func bind(whole text: String) {
    var text = text
    column += 1
    text.withUTF8 { bindText(UnsafeRawBufferPointer($0)) }
  }

  /// Binds the next column to a peer's bytes, cut to `TrailEntry.Limit.field`: a text where they
  /// are one, else a blob; nil is NULL.
  mutating func bind(_ text: MailText?) {
    guard let text else { return bindNull() }
    let bytes = text.bytes.prefix(TrailEntry.Limit.field)
    column += 1
    bytes.withUnsafeBytes { buffer in
      if bytes.allSatisfy({ (0x01...0x7F).contains($0) })
        || !bytes.contains(0) && String(validating: bytes, as: UTF8.self) != nil
      {
        bindText(buffer)
      } else {
        sqlite3_bind_blob(
          statement.sqliteStatement, column, buffer.baseAddress, Int32(clamping: buffer.count),
          Self.copied)
      }
    }
  }

  /// Binds the next column to a blob of our own; an empty one is NULL.
  mutating func bind(blob bytes: [UInt8]) {
    guard !bytes.isEmpty else { return bindNull() }
    column += 1
    bytes.withUnsafeBytes {
      _ = sqlite3_bind_blob(
        statement.sqliteStatement, column, $0.baseAddress, Int32(clamping: $0.count), Self.copied)
    }
  }

  private mutating func bindNull() {
    column += 1
    sqlite3_bind_null(statement.sqliteStatement, column)
  }

  /// SQLite copies the bytes: they need not live until the row is written.
  private func bindText(_ buffer: UnsafeRawBufferPointer) {
    // A nil pointer would be NULL, not the empty text.
    guard let bytes = buffer.baseAddress, buffer.count > 0 else {
      sqlite3_bind_text(statement.sqliteStatement, column, "", 0, Self.copied)
      return
    }
    sqlite3_bind_text(
      statement.sqliteStatement, column, bytes.assumingMemoryBound(to: CChar.self),
      Int32(clamping: buffer.count), Self.copied)
  }

  private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

  /// Writes the row; the next `bind` begins another.
  mutating func write() throws {
    column = 0
    let pointer = statement.sqliteStatement
    let result = sqlite3_step(pointer)
    // Tells the same result once more.
    sqlite3_reset(pointer)
    guard result == SQLITE_DONE else { throw trouble }
  }

  /// Writes the row with a statement that returns one row of `count` integers.
  ///
  /// - Throws: `damaged` where it returns anything else.
  mutating func writeReturning(_ count: Int32) throws -> [Int64] {
    column = 0
    let pointer = statement.sqliteStatement
    defer { sqlite3_reset(pointer) }
    guard sqlite3_step(pointer) == SQLITE_ROW else { throw trouble }
    let columns = 0..<count
    let areNumbers = columns.allSatisfy { sqlite3_column_type(pointer, $0) == SQLITE_INTEGER }
    let numbers = columns.map { sqlite3_column_int64(pointer, $0) }
    // Only that ends the statement, and with it its transaction.
    guard sqlite3_step(pointer) == SQLITE_DONE else { throw trouble }
    guard areNumbers else {
      throw StoreTrouble.damaged("a row holds what bmsd does not write there")
    }
    return numbers
  }

  /// What SQLite said last.
  private var trouble: DatabaseError {
    let database = sqlite3_db_handle(statement.sqliteStatement)
    return DatabaseError(
      resultCode: ResultCode(rawValue: sqlite3_extended_errcode(database)),
      message: String(cString: sqlite3_errmsg(database)), sql: statement.sql)
  }
}
