/// The memory in which polar factors are computed, made once for the largest of some matrices, and the routine for them.
final class PolarWorkspace<Scalar: BLASScalar> {
  private let routine: PolarRoutine<Scalar>
  private let elements: OwnedBuffer<Scalar>
  private let memory: OwnedBuffer<UInt8>

  /// - Throws: ``MomentumError/allocationFailed(bytes:)``; ``MomentumError/invalidSetting(_:)`` if there is no routine, or
  ///   none for a matrix as large.
  init(_ layouts: some Sequence<MatrixLayout>) throws(MomentumError) {
    routine = try PolarRoutines.routine(for: Scalar.self)
    var (elementCount, byteCount) = (0, 0)
    for layout in layouts where layout.count > 0 {
      elementCount = max(elementCount, layout.count)
      byteCount = max(byteCount, try routine.byteCount(layout.shortSide, layout.longSide))
    }
    elements = try OwnedBuffer(count: elementCount)
    memory = try OwnedBuffer(count: byteCount)
  }

  /// Replaces matrices by their polar factors, one after the other. Allocates nothing.
  ///
  /// - Precondition: The caller is in a call of the engine (``EngineCall``).
  func replace(_ matrices: UnsafeBufferPointer<MatrixPlace<Scalar>>) {
    for matrix in matrices where matrix.layout.count > 0 { replace(matrix) }
  }

  /// The routine sees no more rows than columns, and a largest element in 1..<2: a matrix that is not square, its
  /// transpose, and both times a power of two are the same to it.
  private func replace(_ matrix: MatrixPlace<Scalar>) {
    let (layout, x) = (matrix.layout, elements.base)
    let (rows, columns) = (layout.shortSide, layout.longSide)
    forEachElement(of: layout) { element, place in x[element] = matrix.base[place] }
    let largest = Scalar._maximumMagnitude(x, layout.count)
    if largest.isFinite, largest > 0 {
      let (first, second) = ElementLoops.powerOfTwo(Int(-largest.exponent), as: Scalar.self)
      Scalar._multiply(x, by: (first, second, 1), into: x, layout.count)
      if !routine.replace(x, rows, columns, memory.base) { x.update(repeating: .nan, count: layout.count) }
    } else {
      x.update(repeating: largest == 0 ? 0 : .nan, count: layout.count)
    }
    forEachElement(of: layout) { element, place in matrix.base[place] = x[element] }
  }

  /// Calls `body` with the number of each element in the workspace, and its place in the tensor.
  @inline(__always)
  private func forEachElement(of layout: MatrixLayout, _ body: (Int, Int) -> Void) {
    let isTransposed = layout.rows > layout.columns
    let (rowStep, columnStep) = isTransposed ? (1, layout.rows) : (layout.columns, 1)
    for row in 0..<layout.rows {
      let start = layout.rowOffset(row)
      for column in 0..<layout.columns {
        body(row * rowStep + column * columnStep, start + layout.columnOffset(column))
      }
    }
  }
}
