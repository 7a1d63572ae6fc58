public import Foundation
import Momentum

/// Every comparison with reference values, and the wrong implementations that the comparisons rejected.
public struct ReferenceReport: Codable, Sendable {
  public var rows: [ReferenceRow]
  public var negativeControls: [NegativeControl]

  /// Whether every row passed and every wrong implementation was rejected.
  public var passed: Bool { rows.allSatisfy(\.passed) && negativeControls.allSatisfy(\.wasRejected) }

  /// Verifies a folder of fixtures and runs everything in it.
  ///
  /// - Throws: ``ReferenceError`` if the files are not those of the manifest, and the errors of the library.
  public init(fixtures folder: URL) throws {
    let fixtures = try ReferenceFixtures(folder: folder)
    let subject = MomentumSubject()
    rows = try fixtures.evaluateBLAS()
    rows += try fixtures.evaluateNorms(of: subject, portable: false)
    rows += try fixtures.evaluateNorms(of: MomentumSubject(algorithm: .portable), portable: true)
    rows += try fixtures.evaluateClips(of: subject)
    rows += try fixtures.evaluateSteps(of: subject)
    rows += try fixtures.peers.evaluate()
    rows += try Invariance<Float>().rows + Invariance<Double>().rows
    negativeControls = try fixtures.negativeControls()
  }
}
