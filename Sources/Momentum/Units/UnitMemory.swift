/// The data of clipping and update rules about the units of each tensor: allocated when first needed, and kept between
/// steps.
final class UnitMemory<Scalar: BLASScalar> {
  /// The units of one tensor, for one of the two stages that scale units: clipping or the update rule.
  final class Slot {
    let units: TensorUnits
    let norms: UnitNorms<Scalar>
    let factors: UnitFactors<Scalar>
    /// The norms of the gradient and, for rules, of the parameters.
    var gradientNorms: UnsafeMutableBufferPointer<ScaledDouble> { gradientMemory.all }
    var parameterNorms: UnsafeMutableBufferPointer<ScaledDouble> { parameterMemory.all }
    private let gradientMemory, parameterMemory: OwnedBuffer<ScaledDouble>

    var grid: UnitGrid { norms.grid }

    /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
    init(_ units: TensorUnits, _ grid: UnitGrid, _ scaling: UnitScaling) throws(MomentumError) {
      self.units = units
      norms = try UnitNorms(grid)
      factors = try UnitFactors(grid)
      gradientMemory = try OwnedBuffer(count: grid.unitCount)
      parameterMemory = try OwnedBuffer(count: scaling == .rule ? grid.unitCount : 0)
    }
  }

  private var slots: [UnitScaling: [Slot?]] = [:]

  /// The units of a tensor.
  ///
  /// - Parameter shape: `nil` if it is not known; all units but ``TensorUnits/tensor`` are then refused.
  /// - Throws: ``MomentumError/invalidSetting(_:)``, ``MomentumError/allocationFailed(bytes:)``.
  func slot(
    _ scaling: UnitScaling, of index: Int, count: Int, _ units: TensorUnits, shape: [Int]?, name: () -> String
  ) throws(MomentumError) -> Slot {
    if let slot = slots[scaling]?[safely: index], slot.units == units { return slot }
    let grid: UnitGrid
    if let shape {
      grid = try UnitGrid(shape, units, tensor: name())
    } else if units == .tensor {
      grid = try UnitGrid([count], units, tensor: name())
    } else {
      throw .invalidSetting(
        name: "units", of: .tensor(name()), value: "\(units) without a shape", expected: "the shapes of the tensors")
    }
    let slot = try Slot(units, grid, scaling)
    var list = slots[scaling] ?? []
    while list.count <= index { list.append(nil) }
    list[index] = slot
    slots[scaling] = list
    return slot
  }
}

extension Array {
  fileprivate subscript<Wrapped>(safely index: Int) -> Wrapped? where Element == Wrapped? {
    index < count ? self[index] : nil
  }
}
