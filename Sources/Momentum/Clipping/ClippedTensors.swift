/// What tensors that are clipped in place are called, and how their elements are arranged.
enum ClippedTensors {
  /// Those of a list, which is to be checked; by default they are called by their positions.
  case listed(names: [String]?, shapes: [[Int]]?)
  /// Those of a vector. They lie apart from each other, and their shapes are right.
  case laidOut(ParameterLayout)

  /// Checks names, shapes and memory of a list.
  func check<Scalar>(_ tensors: [UnsafeMutableBufferPointer<Scalar>]) throws(MomentumError) {
    if case .listed(let names, let shapes) = self { try Gradients.check(tensors, names, shapes) }
  }

  var names: [String] {
    switch self {
    case .listed(let names, _): names ?? []
    case .laidOut(let layout): layout.tensors.map { $0.name }
    }
  }

  var shapes: [[Int]] {
    switch self {
    case .listed(_, let shapes): shapes ?? []
    case .laidOut(let layout): layout.tensors.map { $0.shape }
    }
  }
}
