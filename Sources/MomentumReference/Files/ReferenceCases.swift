/// One call of a level-1 routine, from the tables of the reference BLAS test programs.
public struct BLASCase: Decodable, Sendable {
  public enum Operation: String, Decodable, Sendable, CaseIterable { case nrm2, asum, iamax, scal, dot, axpy, copy }

  public var operation: Operation
  public var scalar: String
  public var count: Int
  public var incx: Int
  /// A negative stride walks backwards: element i of n lies at `(1 - n)·inc + i·inc` from the base.
  public var incy: Int?
  public var x: [ReferenceNumber]
  public var y: [ReferenceNumber]?
  public var alpha: ReferenceNumber?
  /// The result, or the whole vector that was written.
  public var expected: [ReferenceNumber]?
  /// The size against which the STEST rule measures each element's error; 0 requires equality.
  public var size: [ReferenceNumber]?
  /// The answer of iamax, counted from 1; 0 for an empty vector.
  public var index: Int?
}

/// The grid of SB1NRM2 and DB1NRM2 for one length.
public struct NormGridCase: Decodable, Sendable {
  public var name: String
  public var scalar: String
  public var count: Int
  public var values: [ReferenceNumber]
  public var factor: ReferenceNumber
  public var unit: ReferenceInput
  /// `norms[i][j]` belongs to `v0 = values[i]`, `v1 = values[j]`.
  public var norms: [[ExactValue]]

  /// The vector for two of the values. Each product is rounded once.
  public func vector<Scalar: ReferenceScalar>(_ i: Int, _ j: Int, unit: [Scalar]) -> [Scalar] {
    let first = Scalar(values[i].double)
    var rest = Scalar(values[j].double)
    if rest > 1 { rest *= Scalar(factor.double) }
    return [first > 1 ? first / 2 : first] + unit.map { rest * $0 }
  }
}

/// A golden result of ReproBLAS beside the exact one; keys are the order of the norm.
public struct GoldenCase: Decodable, Sendable {
  public var name: String
  public var scalar: String
  public var input: ReferenceInput
  public var golden: [String: ReferenceNumber]
  public var norms: [String: ExactValue]
}

/// Exact norms of one vector; keys are the order of the norm.
public struct NormCase: Decodable, Sendable {
  public var name: String
  public var scalar: String
  public var input: ReferenceInput
  public var norms: [String: ExactValue]
}

/// Clipping settings as the files state them.
public struct ReferenceClipping: Decodable, Hashable, Sendable {
  public var normType: String
  public var value: [ReferenceNumber]?
  public var norm: ReferenceNumber?
  public var globalNorm: ReferenceNumber?
}

/// A set of tensors before and after clipping.
public struct ClipCase: Decodable, Sendable {
  public struct Expected: Decodable, Sendable {
    public var tensors: [[ReferenceNumber]]
    public var totalNorm: ExactValue
    public var comparedNorm: ExactValue
    public var coefficient: ReferenceNumber
    public var tensorCoefficients: [ReferenceNumber]
    public var valueClippedCount: Int
    public var nanCount: Int
    public var infinityCount: Int
  }

  public var name: String
  public var source: String
  public var scalar: String
  public var convention: String
  public var clipping: ReferenceClipping
  public var tensors: [[ReferenceNumber]]
  public var expected: Expected
}

/// A sequence of momentum steps.
public struct UpdateCase: Decodable, Sendable {
  public struct Step: Decodable, Sendable {
    public var learningRate: ReferenceNumber
    public var momentum: ReferenceNumber
    public var gradient: ReferenceInput
  }

  /// The exact state after a step, rounded to Double.
  public struct Expected: Decodable, Sendable {
    public var step: Int
    public var parameters: [ReferenceNumber]
    /// The largest element of the same recursion with all terms positive: the error bound is relative to it.
    public var parameterSize: ReferenceNumber
    /// Absent where momentum is 0 and the velocity is left alone.
    public var velocity: [ReferenceNumber]?
    public var velocitySize: ReferenceNumber
  }

  public var name: String
  public var source: String
  public var scalar: String
  public var convention: String
  public var dampening: ReferenceNumber
  public var weightDecay: ReferenceNumber
  public var decoupledWeightDecay: Bool
  public var nesterov: Bool
  public var maximize: Bool
  public var clipping: ReferenceClipping
  public var shapes: [[Int]]
  public var parameters: ReferenceInput
  public var steps: [Step]
  public var expected: [Expected]
}
