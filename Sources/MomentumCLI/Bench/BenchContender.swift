import Foundation
import Momentum

/// One way to do what a row measures.
protocol BenchContender: AnyObject {
  /// Brings the memory into a state from which `run` can be called a few thousand times. Not timed.
  func prepare() throws

  /// Does it once.
  func run() throws

  /// Does it some times, in a loop of its own: to come here through the protocol each time would add to what is
  /// measured.
  func run(times: Int) throws

  /// How the last run did it; `nil` where there is one way.
  var kernels: StepKernels? { get }

  /// Returns when nothing that `run` has started goes on any more. Not timed.
  func settle()
}

extension BenchContender {
  func run(times: Int) throws {
    for _ in 0..<times { try run() }
  }

  func settle() {}

  var kernels: StepKernels? { nil }

  /// For contenders that use OpenBLAS's own threads: those go on looking for work, at the cost of whoever runs next,
  /// for 2²⁸ ticks of the processor's clock after a call (a tenth of a second at 2.6 GHz).
  func settleOpenBLAS() { Thread.sleep(forTimeInterval: 0.15) }
}

/// How often a contender may run after one `prepare`.
let contenderRunLimit = 4096

/// The contenders of one row. The first one is the engine.
struct BenchContest {
  var engine: any BenchContender
  var limit: any BenchContender
  var plain: (name: String, contender: any BenchContender)?
  /// What is wrong with the results of `plain`. Its BLAS is not ours to mend, so it is timed all the same.
  var plainFault: String?
  /// The step of `Float`s that a step in half precision stands for.
  var wide: (any BenchContender)?
  /// Bytes that one run moves to and from memory.
  var bytes: Int
}

/// A result that is wrong: if it is ours or that of the limit, nothing is timed.
struct BenchFailure: Error, CustomStringConvertible {
  var row: String
  var contender: String
  var cause: String

  var description: String { "\(row): \(contender): \(cause)" }
}

extension BenchContest {
  /// What is wrong with a result, by a comparison that throws it; `nil` if nothing is.
  static func fault(_ compare: () throws -> Void) throws -> String? {
    do {
      try compare()
      return nil
    } catch let failure as BenchFailure {
      return failure.cause
    }
  }
}

/// Relative error that a norm may have: roundings of a sum over one block, with room for the order of additions.
func normTolerance<Scalar: BinaryFloatingPoint>(_: Scalar.Type) -> Double { 64 * Double(Scalar.ulpOfOne) }
