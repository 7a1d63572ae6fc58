import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumCLI

final class TrajectoryTests: XCTestCase {
  func testGradientsAgreeWithCentralDifferences() {
    var generator = RandomStream(11)
    let h = 0x1p-17
    for surface in TestSurface.allCases {
      for _ in 0..<50 {
        let (x, y) = (generator.normal(), generator.normal())
        let found = surface.gradient(x, y)
        let expected = (
          (surface.value(x + h, y) - surface.value(x - h, y)) / (2 * h),
          (surface.value(x, y + h) - surface.value(x, y - h)) / (2 * h)
        )
        let scale = max(1, expected.0.magnitude, expected.1.magnitude, surface.value(x, y))
        XCTAssertEqual(found.x / scale, expected.0 / scale, accuracy: 1e-7, "\(surface) at \(x), \(y)")
        XCTAssertEqual(found.y / scale, expected.1 / scale, accuracy: 1e-7, "\(surface) at \(x), \(y)")
      }
    }
  }

  func testMinimaAreZeroAndStationary() {
    for surface in TestSurface.allCases {
      let (x, y) = surface.minimum
      let slope = surface.gradient(x, y)
      XCTAssertEqual(surface.value(x, y), 0, "\(surface)")
      XCTAssertEqual(slope.x, 0, "\(surface)")
      XCTAssertEqual(slope.y, 0, "\(surface)")
      XCTAssertGreaterThan(surface.value(x + 0.01, y - 0.02), 0, "\(surface)")
    }
  }

  /// On a quadratic every step multiplies a coordinate by 1 − rate · curvature. The best rate is 2 / (1 + 50).
  func testPlainDescentFollowsTheKnownLaw() throws {
    let rate = 2 / (1 + TestSurface.curvature)
    let descent = try DescentRunner().descend(.quadratic, .plain, learningRate: rate)
    XCTAssertEqual(descent.outcome, .reached)
    let factor = (TestSurface.curvature - 1) / (TestSurface.curvature + 1)
    let (x, y) = TestSurface.quadratic.start
    for (step, point) in descent.points.enumerated() {
      let shrunk = pow(factor, Double(step))
      XCTAssertEqual(point.x, x * shrunk, accuracy: 1e-13)
      XCTAssertEqual(point.y, y * shrunk * (step.isMultiple(of: 2) ? 1 : -1), accuracy: 1e-13)
    }
    let expected = (log(DescentRunner().tolerance / TestSurface.quadratic.value(x, y)) / log(factor) / 2).rounded(.up)
    XCTAssertEqual(descent.steps, Int(expected))
    XCTAssertEqual(try DescentRunner().descend(.quadratic, .plain, learningRate: 0.0401).outcome, .diverged)
  }

  /// With Polyak's momentum ((√κ − 1) / (√κ + 1))² and rate 4 / (1 + √κ)² the error shrinks by about the root of the
  /// momentum a step, however ill-conditioned: far fewer steps than the best plain descent.
  func testMomentumAtItsOptimumNeedsFarFewerSteps() throws {
    let root = TestSurface.curvature.squareRoot()
    let momentum = pow((root - 1) / (root + 1), 2)
    let runner = DescentRunner(momentum: momentum)
    let heavy = try runner.descend(.quadratic, .momentum, learningRate: 4 / pow(1 + root, 2))
    let plain = try runner.descend(.quadratic, .plain, learningRate: 2 / (1 + TestSurface.curvature))
    XCTAssertEqual(heavy.outcome, .reached)
    XCTAssertLessThan(heavy.steps * 3, plain.steps)
  }

  func testBestRatesReachEveryMinimumAndMomentumIsFaster() throws {
    for surface in TestSurface.allCases {
      var steps: [MomentumChoice: Int] = [:]
      for method in MomentumChoice.allCases {
        // A part of the rates, and a tolerance that takes fewer steps than the command's.
        let rates = DescentRunner.learningRates.filter { $0 > 1e-3 && $0 < 0.07 }
        let runner = DescentRunner(tolerance: 1e-3, maximumSteps: 4000)
        let trials = try rates.map { try runner.descend(surface, method, learningRate: $0) }
        steps[method] = trials.filter { $0.outcome == .reached }.map(\.steps).min()
        XCTAssertNotNil(steps[method], "\(surface) \(method)")
      }
      XCTAssertLessThan(steps[.momentum] ?? .max, steps[.plain] ?? 0, "\(surface)")
      XCTAssertLessThan(steps[.nesterov] ?? .max, steps[.plain] ?? 0, "\(surface)")
    }
  }

  func testASwingThroughTheMinimumIsNoArrival() throws {
    let runner = DescentRunner()
    let descent = try runner.descend(.quadratic, .momentum, learningRate: 0.0631)
    let first = try XCTUnwrap(descent.points.firstIndex { $0.value <= runner.tolerance })
    XCTAssertEqual(descent.outcome, .reached)
    XCTAssertLessThan(first, descent.steps)
  }

  func testClippingTamesASteepStart() throws {
    let rate = 0.02
    XCTAssertEqual(try DescentRunner().descend(.rosenbrock, .plain, learningRate: rate).outcome, .diverged)
    let clipped = DescentRunner(clipping: try .byGlobalNorm(1))
    XCTAssertNotEqual(try clipped.descend(.rosenbrock, .plain, learningRate: rate, limit: 500).outcome, .diverged)
  }

  /// The velocity tends to g / (1 − m), which the exact way follows; to nearest nothing moves, and at random the mean does.
  func testSmallUpdatesAreLostByRoundingToNearestAlone() throws {
    let drift = try StorageDrift()
    var (parameter, velocity) = (1.0, 0.0)
    for _ in 0..<StorageDrift.stepCount {
      velocity = StorageDrift.momentum * velocity + StorageDrift.gradient
      parameter -= StorageDrift.learningRate * velocity
    }
    XCTAssertEqual(drift[.float32].means.last!, parameter, accuracy: 1e-4)
    XCTAssertEqual(drift[.remainders].means, drift[.float32].means)
    XCTAssertEqual(drift[.remainders].lostUpdates, 0)
    XCTAssertEqual(Set(drift[.nearest].means), [1])
    XCTAssertEqual(drift[.nearest].lostUpdates, StorageDrift.stepCount * StorageDrift.parameterCount)
    // One parameter has a spread of 0.019, so the mean of a thousand one of 0.0006.
    XCTAssertEqual(drift[.stochastic].means.last!, parameter, accuracy: 0.0024)
    XCTAssertGreaterThan(drift[.stochastic].most - drift[.stochastic].least, 0.05)
    XCTAssertTrue(drift.finding.contains("rounding undid 100 % of the updates"), drift.finding)
  }

  // MARK: The command

  func testWritesAReport() throws {
    try withScratchFolder { folder in
      let report = folder.appendingPathComponent("report").path
      let run = try CommandRun(
        ["trajectory", "--surfaces", "quadratic", "--learning-rate", "0.01", "--output", report, "--json"])
      XCTAssertEqual(run.status, 0, run.errors)
      let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
      XCTAssertEqual((object?["descents"] as? [[String: Any]])?.count, 3)
      XCTAssertEqual(object?["complete"] as? Bool, true)
      let files = FileManager.default
      let storages = (object?["storages"] as? [[String: Any]])?.compactMap { $0["storage"] as? String }
      XCTAssertEqual(storages, StorageDrift.Storage.allCases.map(\.rawValue))
      for name in [
        "summary.csv", "paths/quadratic-plain.csv", "plots/quadratic.gnuplot", "paths/storage.csv",
        "plots/storage.gnuplot",
      ] {
        XCTAssertTrue(files.fileExists(atPath: report + "/" + name), name)
      }
      // A second report does not go over the first.
      let again = try CommandRun(["trajectory", "--output", report])
      XCTAssertNotEqual(again.status, 0)
      XCTAssertTrue(again.errors.contains("is not empty"), again.errors)
    }
  }

  func testWrongUsageExitsWith64() throws {
    for arguments in [
      ["--momentum", "1"], ["--surfaces", "sphere"], ["--learning-rate", "nan"], ["--tolerance", "0"],
    ] {
      XCTAssertEqual(try CommandRun(["trajectory"] + arguments).status, 64, "\(arguments)")
    }
  }
}
