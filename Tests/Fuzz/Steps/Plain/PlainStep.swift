import Momentum

/// What the plain loop knows of one step: the settings, the state before it, and the gradients.
struct PlainStep<Scalar: BLASScalar, Wide: WideNumber> {
  let layout: ParameterLayout
  let settings: Settings
  /// The group of each tensor.
  let membership: [Int?]
  let before: Snapshot<Scalar>
  /// The gradient of each tensor as it lies in memory; `nil` where there is none.
  let gradients: [UnsafeBufferPointer<Scalar>?]
  /// The number of gradients whose sum this is, if their mean is meant; otherwise 1.
  let microSteps: Int
  let bounds = Bounds<Wide>(Scalar.self)
  let units: PlainUnitsMemory

  /// The factor that undoes loss scale and accumulation.
  var gradientFactor: Double { 1 / (before.lossScale.current * Double(microSteps)) }
  var factor: Wide { Wide(gradientFactor) }

  /// Whether anything asks for the norm of the gradient.
  var asksForNorm: Bool {
    settings.effectivePolicy != .propagate || before.state.adaptiveLimit != nil || !settings.clip.isEmpty
      || settings.groups.contains { $0.clip.map { !$0.isEmpty } ?? false }
  }

  /// The first element that is not finite, by tensor and then by index.
  var firstOffender: (tensor: String, index: Int)? {
    for (tensor, gradient) in zip(layout.tensors, gradients) {
      if let index = gradient?.firstIndex(where: { !$0.isFinite }) { return (tensor.name, index) }
    }
    return nil
  }

  /// How the elements of one tensor enter a step, before any factor.
  struct Entry {
    let clearsNonFinite: Bool
    /// The bounds of clipping by value for elements as they lie in memory, as numbers of the element type.
    let lower, upper: Wide
    let clamps: Bool

    @inline(__always)
    func clamped(_ x: Wide) -> Wide {
      let x = clearsNonFinite && !x.isFinite ? 0 : x
      guard clamps else { return x }
      if x < lower { return lower }
      return x > upper ? upper : x
    }
  }

  func entry(ofTensor index: Int) -> Entry {
    let clears = settings.effectivePolicy == .zero
    guard let range = settings.clip(ofGroup: membership[index]).value else {
      return Entry(clearsNonFinite: clears, lower: 0, upper: 0, clamps: false)
    }
    func bound(_ x: Double) -> Wide {
      let bound = Wide(Scalar(gradientFactor == 1 ? x : x / gradientFactor))
      // A finite bound holds for infinities, too.
      return x.isFinite ? min(max(bound, -bounds.greatest), bounds.greatest) : bound
    }
    return Entry(
      clearsNonFinite: clears, lower: bound(range.lowerBound), upper: bound(range.upperBound), clamps: true)
  }
}

/// The units of the tensors of a scenario, which every step needs again.
final class PlainUnitsMemory {
  private struct Key: Hashable {
    let shape: [Int]
    let units: TensorUnits
  }

  private var known: [Key: PlainUnits] = [:]

  subscript(shape: [Int], units: TensorUnits) -> PlainUnits {
    let key = Key(shape: shape, units: units)
    if let found = known[key] { return found }
    let found = PlainUnits(shape, units)
    known[key] = found
    return found
  }
}
