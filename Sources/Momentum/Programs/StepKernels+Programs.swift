extension StepKernels {
  /// Whether a program on vectors of a type runs as a loop.
  ///
  /// - Parameters:
  ///   - cacheBytes: As for ``TileProgram/load(_:cacheBytes:_:speculates:)``.
  ///   - speculates: Likewise.
  func fuses<Scalar: BLASScalar>(
    _ program: StepProgram, _ type: Scalar.Type, cacheBytes: Int, speculates: Bool = false
  ) -> Bool {
    if let behind = program.partBehindTransform {
      // Behind a transform a loop takes each tile of the result as it is computed, so that no vector has to stay in cache.
      return fuses(program.partBeforeTransform, type, cacheBytes: cacheBytes) && fuses(behind, type, cacheBytes: .max)
    }
    return withUnsafeTemporaryAllocation(byteCount: TileProgram<Scalar>.byteCount, alignment: 64) { storage in
      var tile = TileProgram<Scalar>(storage: storage.baseAddress!)
      withUnsafePointer(to: program) { tile.load($0, cacheBytes: cacheBytes, self, speculates: speculates) }
      return tile.loop != nil
    }
  }
}
