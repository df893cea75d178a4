// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

/// Which module was asked at which stage, and how it was switched: the table `step` of a trail.
///
/// There are as many as modules, stages and modes, a few hundred at most. They are read anew in each
/// transaction, since the file may be another one by then.
struct TrailSteps {
  struct Step: Hashable {
    var stage: String
    var module: String
    var mode: String
  }

  private(set) var steps: [Int64: Step] = [:]
  private var numbers: [Step: Int64] = [:]

  init(_ db: Database) throws {
    let rows = try Row.fetchCursor(
      try db.cachedStatement(sql: "SELECT id, stage, module, mode FROM step"))
    while let row = try rows.next() {
      let step = Step(
        stage: try row.decode(atIndex: 1), module: try row.decode(atIndex: 2),
        mode: try row.decode(atIndex: 3))
      let number: Int64 = try row.decode(atIndex: 0)
      steps[number] = step
      numbers[step] = number
    }
  }

  /// The number of a decision's step, which is added to the table when it is new.
  mutating func number(of decision: TrailDecision, _ db: Database) throws -> Int64 {
    let step = Step(stage: decision.stage, module: decision.module, mode: decision.mode)
    if let number = numbers[step] { return number }
    let statement = try db.cachedStatement(
      sql: "INSERT INTO step (stage, module, mode) VALUES (?, ?, ?)")
    try statement.execute(arguments: [step.stage, step.module, step.mode])
    let number = db.lastInsertedRowID
    steps[number] = step
    numbers[step] = number
    return number
  }
}
