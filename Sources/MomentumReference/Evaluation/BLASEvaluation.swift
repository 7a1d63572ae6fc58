import Momentum

extension ReferenceFixtures {
  /// Runs the tables of the reference BLAS test programs through ``Momentum/BLAS``.
  ///
  /// The library refuses negative strides. So the elements of a row with a negative stride are laid out in the order in
  /// which that stride visits them, and the result is put back in the same order.
  ///
  /// - Throws: The errors of the routines.
  public func evaluateBLAS() throws -> [ReferenceRow] {
    try BLASCase.Operation.allCases.flatMap { operation in
      try [evaluate(operation, Float.self), evaluate(operation, Double.self)]
    }
  }

  private func evaluate<Scalar: ReferenceScalar>(
    _ operation: BLASCase.Operation, _ type: Scalar.Type
  ) throws -> ReferenceRow {
    let index = operation == .iamax || operation == .copy
    var tally = Tally(
      "BLAS \(operation.rawValue)", Scalar.referenceName, reason: index ? "exact" : ErrorBound.stest.reason)
    for test in blas where test.operation == operation && test.scalar == Scalar.referenceName {
      let name = "n = \(test.count), incx \(test.incx)" + (test.incy.map { ", incy \($0)" } ?? "")
      let got = try result(test, type)
      if operation == .iamax {
        tally.add(equal: got.first.map { Int($0) } == test.index, case: name)
        continue
      }
      for (i, want) in (test.expected ?? []).enumerated() {
        guard got.indices.contains(i) else {
          tally.add(equal: false, case: name)
          continue
        }
        let size = test.size?[i].double ?? 0
        let difference = (Double(got[i]) - want.double).magnitude
        tally.add(
          error: size == 0
            ? (difference == 0 ? 0 : .infinity) : difference / (size.magnitude * Double(Scalar.ulpOfOne)),
          allowed: size == 0 ? 0 : ErrorBound.stest.ulps(count: 1), case: name)
      }
    }
    return tally.row
  }

  /// The value that a routine returned, or the vector that it wrote.
  private func result<Scalar: ReferenceScalar>(_ test: BLASCase, _ type: Scalar.Type) throws -> [Scalar] {
    var x = Strided<Scalar>(test.x, count: test.count, stride: test.incx)
    var y = Strided<Scalar>(test.y ?? [], count: test.count, stride: test.incy ?? 1)
    let alpha = Scalar(test.alpha?.double ?? 0)
    switch test.operation {
    case .nrm2: return [try x.read(BLAS.nrm2)]
    case .asum: return [try x.read(BLAS.asum)]
    case .iamax: return [Scalar(try x.read(BLAS.iamax).map { $0 + 1 } ?? 0)]
    case .dot: return [try x.read { x in try y.read { y in try BLAS.dot(x, y) } }]
    case .scal:
      try x.write { try BLAS.scal(alpha, $0) }
      return x.elements
    case .axpy:
      try x.read { x in try y.write { y in try BLAS.axpy(alpha, x, into: y) } }
      return y.elements
    case .copy:
      try x.read { x in try y.write { y in try BLAS.copy(x, to: y) } }
      return y.elements
    }
  }
}

/// A strided vector in an array. Elements with a negative stride are kept in reverse.
private struct Strided<Scalar: ReferenceScalar> {
  private var storage: [Scalar]
  private let count: Int
  private let stride: Int

  init(_ numbers: [ReferenceNumber], count: Int, stride: Int) {
    storage = numbers.map { Scalar($0.double) }
    (self.count, self.stride) = (count, stride)
    reverse()
  }

  /// The array in the order of memory.
  var elements: [Scalar] {
    var copy = self
    copy.reverse()
    return copy.storage
  }

  /// Reverses the part that the vector spans; the gap between two of its elements stays between the same two.
  private mutating func reverse() {
    guard stride < 0, count > 0 else { return }
    storage[0...(count - 1) * stride.magnitude.asInt].reverse()
  }

  func read<Result>(_ body: (BLAS.Vector<Scalar>) throws -> Result) throws -> Result {
    try storage.withUnsafeBufferPointer {
      try body(BLAS.Vector($0.baseAddress, count: count, stride: stride.magnitude.asInt))
    }
  }

  mutating func write(_ body: (BLAS.MutableVector<Scalar>) throws -> Void) throws {
    let (count, stride) = (count, stride.magnitude.asInt)
    try storage.withUnsafeMutableBufferPointer {
      try body(BLAS.MutableVector($0.baseAddress, count: count, stride: stride))
    }
  }
}

extension UInt {
  fileprivate var asInt: Int { Int(self) }
}
