// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: the bmsd authors

@testable import DNS
import Testing

@Suite struct ServerHealthTests {
  @Test func aTimeoutAmongAnswersIsNoOutage() {
    var health = ServerHealth()
    health.answered(at: .seconds(2))
    health.timedOut(asked: .seconds(1), at: .seconds(6))
    #expect(!health.isDown)
  }

  @Test func aTimeoutInSilenceIsOne() {
    var health = ServerHealth()
    health.answered(at: .seconds(1))
    health.timedOut(asked: .seconds(2), at: .seconds(7))
    #expect(health.isDown)
    // One at a time, and not too often.
    let probes = [8, 9, 10, 11].map { health.mayProbe(at: .seconds($0)) }
    #expect(probes == [false, true, false, true])
    // A late answer to anything ends it.
    health.answered(at: .seconds(12))
    #expect(!health.isDown)
  }

  @Test func moreTimeoutsDoNotPutOffTheProbe() {
    var health = ServerHealth()
    health.timedOut(asked: .seconds(0), at: .seconds(5))
    health.timedOut(asked: .seconds(1), at: .seconds(6))
    let mayProbe = health.mayProbe(at: .seconds(7))
    #expect(mayProbe)
  }
}
