// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import GRDB

/// Which module was asked at which stage, and how it was switched: the table `step` of a trail.
///
/// There are as many as modules, stages and modes, a few hundred at most. They are read anew in each
/// transaction, since the file may be another one by then.
struct TrailSteps {
  struct Step {
    var stage: String
    var module: String
    var mode: String

    func isStep(of decision: TrailDecision) -> Bool {
      module == decision.module && stage == decision.stage && mode == decision.mode
    }
  }

  private(set) var steps: [Int64: Step] = [:]
  /// The same in order of their numbers, which is that of a message.
  private var order: [(step: Step, number: Int64)] = []
  /// Where the step asked for last stands in `order`.
  private var last = 0

  init(_ db: Database) throws {
    let rows = try Row.fetchCursor(
      try db.cachedStatement(sql: "SELECT id, stage, module, mode FROM step"))
    while let row = try rows.next() {
      let step = Step(
        stage: try row.decode(atIndex: 1), module: try row.decode(atIndex: 2),
        mode: try row.decode(atIndex: 3))
      let number: Int64 = try row.decode(atIndex: 0)
      steps[number] = step
      order.append((step, number))
    }
    order.sort { $0.number < $1.number }
  }

  /// The number of a decision's step, which is added to the table when it is new.
  mutating func number(of decision: TrailDecision, _ db: Database) throws -> Int64 {
    // From the last one on: the decisions of an entry come in the order of those before, so a few
    // steps are compared, where a table would hash three texts.
    for offset in order.indices {
      let index = (last + offset) % order.count
      if order[index].step.isStep(of: decision) {
        last = index
        return order[index].number
      }
    }
    let step = Step(stage: decision.stage, module: decision.module, mode: decision.mode)
    let statement = try db.cachedStatement(
      sql: "INSERT INTO step (stage, module, mode) VALUES (?, ?, ?)")
    try statement.execute(arguments: [step.stage, step.module, step.mode])
    let number = db.lastInsertedRowID
    steps[number] = step
    order.append((step, number))
    return number
  }
}
