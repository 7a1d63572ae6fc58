import Foundation
import Momentum
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

extension XCTestCase {
  /// The report of a benchmark whose contenders run once.
  func bench(_ arguments: [String]) throws -> [String: Any] {
    let run = try CommandRun(["bench", "--json", "--repeat", "1"] + arguments)
    XCTAssertEqual(run.status, 0, run.errors)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }
}

/// Takes back what a step did to the last parameter.
final class ForgetfulStep: BenchContender {
  private let step: EngineStep<Float>
  private let memory: BenchMemory<Float>

  init(_ step: EngineStep<Float>, _ memory: BenchMemory<Float>) { (self.step, self.memory) = (step, memory) }

  func prepare() {}

  func run() throws {
    let last = memory.parameters[memory.count - 1]
    try step.run()
    memory.parameters[memory.count - 1] = last
  }
}
