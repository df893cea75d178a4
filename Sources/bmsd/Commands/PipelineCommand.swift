// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

internal import ArgumentParser
internal import BMSDaemon
internal import Configuration
internal import Policy

struct PipelineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pipeline",
    abstract: "Print the order of policy by stage, with modes.",
    discussion: """
      Modules are asked from left to right. A verdict of an early stage is held and answered \
      where the table says, so that the log can name sender and recipients.
      """)

  @OptionGroup var config: ConfigFile
  @Flag(help: "One JSON object a stage.") var json = false

  func run() throws {
    let (_, pipeline) = try config.provedPipeline()
    if json {
      for stage in Stage.allCases {
        let modules = pipeline.modules.filter { $0.stages.contains(stage) }.map {
          JSONValue.object([("module", .string($0.name)), ("mode", .string($0.mode.rawValue))])
        }
        print(
          Terminal.json([
            ("stage", .string(stage.rawValue)), ("answered", .string(stage.answeredAt)),
            ("modules", .array(modules)),
          ]))
      }
      return
    }
    var rows = [["STAGE", "ANSWERED AT", "MODULES"]]
    for stage in Stage.allCases {
      let modules = pipeline.modules.filter { $0.stages.contains(stage) }
      guard !modules.isEmpty else { continue }
      let names = modules.map { $0.isPolicy ? "\($0.name) (\($0.mode.rawValue))" : $0.name }
      rows.append([stage.rawValue, stage.answeredAt, names.joined(separator: ", ")])
    }
    for line in Terminal.table(rows) { print(line) }
    let running = Set(pipeline.modules.map(\.name))
    let off = pipelineNames.filter { !running.contains($0) }
    if !off.isEmpty { print("Off: \(off.joined(separator: ", "))") }
  }
}
