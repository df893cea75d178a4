// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

import Control
import Foundation
import Glibc
import Milter
import TestSupport
import Testing

struct ControlTests {
  struct Question: Codable { var word: String }
  struct Answer: Codable, Equatable {
    var number: Int
    var text: String
  }

  let folder: TemporaryFolder
  var path: String { folder.path("control.sock") }

  init() throws { folder = try TemporaryFolder() }

  func server(
    requestLimit: Duration = .seconds(5),
    isShort: @escaping @Sendable (Data) -> Bool = { _ in true },
    _ handler: @escaping ControlServer.Handler
  ) throws -> ControlServer {
    let socket = try ListeningSocket.open(.unix(path: path), mode: 0o660, section: "control")
    let server = ControlServer(
      socket, requestLimit: requestLimit, isShort: isShort,
      spawn: { body in
        Thread.detachNewThread(body)
        return true
      }, handler: handler)
    #expect(server.start())
    return server
  }

  static func echo(_ request: Data, _ caller: ControlCaller, _ row: ControlRows) -> ControlEnd {
    guard let question = try? JSONDecoder().decode(Question.self, from: request) else {
      return ControlEnd(EX_DATAERR, ["no question"])
    }
    do {
      for number in 0..<3 { try row(Answer(number: number, text: question.word)) }
    } catch {
      return ControlEnd(EX_IOERR)
    }
    return ControlEnd(1, ["end of \(question.word.prefix(10))"])
  }

  @Test(arguments: ["hello", "a\nb\"}\u{0}é", #"{"end":{"status":0}}"#, ""])
  func carriesRowsAndTheirEnd(_ word: String) throws {
    let server = try server(Self.echo)
    defer { server.stop() }
    for _ in 0..<3 {
      var rows: [Answer] = []
      let end = try ControlClient(path: path).ask(Question(word: word)) {
        rows.append(try JSONDecoder().decode(Answer.self, from: $0))
      }
      #expect(rows == (0..<3).map { Answer(number: $0, text: word) })
      #expect(end == ControlEnd(1, ["end of \(word.prefix(10))"]))
    }
  }

  @Test func isForItsOwnerAndGroupOnly() throws {
    let server = try server(Self.echo)
    defer { server.stop() }
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o660)
  }

  @Test func tellsThatNobodyListens() throws {
    #expect(throws: ControlClient.Unreachable.notRunning) { try ControlClient(path: path) }
    try server(Self.echo).stop()
    #expect(throws: ControlClient.Unreachable.notRunning) { try ControlClient(path: path) }
    // A stale socket of a killed daemon.
    let stale = try ListeningSocket.open(.unix(path: path))
    close(stale.descriptor)
    #expect(throws: ControlClient.Unreachable.notRunning) { try ControlClient(path: path) }
    try server(Self.echo).stop()
  }

  @Test func tellsThatNobodyAnswers() throws {
    let silent = try ListeningSocket.open(.unix(path: path))
    defer { close(silent.descriptor) }
    #expect(throws: ControlClient.Unreachable.silent("nobody answers at \(path)")) {
      try ControlClient(path: path, within: .milliseconds(50))
    }
  }

  @Test func refusesAnEndlessRequest() throws {
    let server = try server(Self.echo)
    defer { server.stop() }
    let word = String(repeating: "x", count: 3 * ControlServer.maximumRequest)
    let end = try ControlClient(path: path).ask(Question(word: word)) { _ in }
    #expect(end.status == EX_DATAERR || end.status == EX_UNAVAILABLE)
  }

  @Test func doesNotWaitForASilentClient() throws {
    let server = try server(requestLimit: .milliseconds(20), Self.echo)
    defer { server.stop() }
    let silent = try ControlClient(path: path)
    let end = silent.waitForEnd { _ in }
    #expect(end == ControlEnd(EX_PROTOCOL, ["no request came in time"]))
  }

  @Test func servesAFewAtOnce() throws {
    let server = try server(Self.echo)
    defer { server.stop() }
    let waiting = try (0..<ControlServer.maximumClients).map { _ in try ControlClient(path: path) }
    let text = "the daemon serves \(ControlServer.maximumClients) commands already; try again"
    var busy = ControlEnd(EX_TEMPFAIL, [text])
    busy.isBusy = true
    #expect(throws: ControlClient.Unreachable.busy(busy)) { try ControlClient(path: path) }
    for client in waiting {
      let end = client.ask(Question(word: "x")) { _ in }
      #expect(end.status == 1)
    }
  }

  @Test(
    "a command that is sent away tries again, but not for ever",
    arguments: [(0, 1, 0.0), (1, 2, 0.05), (4, 5, 0.75), (1000, 11, 5.0)])
  func triesAgain(_ refusals: Int, _ attempts: Int, _ seconds: Double) {
    let time = FakeTime()
    var count = 0
    let wait = BusyWait(now: { time.monotonic }, pause: { time.advance(by: $0) })
    let end = wait.ask {
      count += 1
      var busy = ControlEnd(EX_TEMPFAIL, ["try again"])
      busy.isBusy = true
      return count > refusals ? .well : busy
    }
    #expect(count == attempts)
    #expect(time.monotonic == .seconds(seconds))
    #expect(end.status == (refusals < 1000 ? 0 : EX_TEMPFAIL))
  }

  @Test func longAnswersLeaveRoomForShortOnes() throws {
    let isFree = DispatchSemaphore(value: 0)
    let isBusy = DispatchSemaphore(value: 0)
    let isShort = { @Sendable (request: Data) in
      (try? JSONDecoder().decode(Question.self, from: request))?.word == "short"
    }
    let server = try server(isShort: isShort) { request, _, _ in
      if !isShort(request) {
        isBusy.signal()
        isFree.wait()
      }
      return .well
    }
    defer { server.stop() }
    let done = DispatchGroup()
    for _ in 0..<ControlServer.maximumLong {
      let client = try ControlClient(path: path)
      nonisolated(unsafe) let own = client
      done.enter()
      Thread.detachNewThread {
        defer { done.leave() }
        #expect(own.ask(Question(word: "long")) { _ in } == .well)
      }
    }
    for _ in 0..<ControlServer.maximumLong { isBusy.wait() }
    let one = try ControlClient(path: path).ask(Question(word: "long")) { _ in }
    #expect(one.isBusy == true && one.status == EX_TEMPFAIL)
    #expect(one.messages.first?.contains("long commands") == true)
    #expect(try ControlClient(path: path).ask(Question(word: "short")) { _ in } == .well)
    for _ in 0..<ControlServer.maximumLong { isFree.signal() }
    done.wait()
    #expect(try ControlClient(path: path).ask(Question(word: "short")) { _ in } == .well)
  }
}
