/// Conversions of whole vectors, shared by threads.
enum HalfConversion {
  /// Calls `body` for pieces of some elements, each by the thread that will work on it.
  static func run(_ count: Int, threads: Int, _ body: @escaping (_ start: Int, _ n: Int) -> Void) {
    let team = ThreadTeam(threads, elements: count)
    let body = UnsafeTransfer(body)
    let call = EngineCall.begin()
    defer { call.end() }
    team.run { thread in
      let share = team.share(of: thread, count: count)
      for start in stride(from: share.lowerBound, to: share.upperBound, by: Tile.count) {
        body.value(start, min(Tile.count, share.upperBound - start))
      }
    }
  }
}

extension TensorBuffer {
  /// Writes elements in half precision as `Float`s, which is exact.
  ///
  /// - Parameters:
  ///   - target: As many elements.
  ///   - threads: The most threads to use; by default as many as the process may use.
  package func widen(
    into target: UnsafeMutableBufferPointer<Float>, threads: Int? = nil
  ) throws(MomentumError) {
    precondition(elementType.byteCount == 2 && count == target.count)
    guard let x = base, let y = target.baseAddress else { return }
    let type = elementType
    HalfConversion.run(count, threads: try Machine.threads(threads)) { start, n in
      HalfLoops.widen(x + 2 * start, type, into: y + start, n)
    }
  }
}

extension ParameterVector where Scalar: HalfScalar {
  /// Makes a copy in half precision, rounded to nearest, ties to even.
  ///
  /// - Parameters:
  ///   - vector: The numbers.
  ///   - overflowPolicy: What becomes of those that exceed the type.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/invalidSetting(_:)`` for less than one thread.
  /// - Complexity: O(n); reads 4n and writes 2n bytes.
  public init(
    rounding vector: borrowing ParameterVector<Float>, overflowPolicy: OverflowPolicy = .infinity, threads: Int? = nil
  ) throws(MomentumError) {
    let threads = try Machine.threads(threads)
    try self.init(vector.layout, threads: threads)
    let (x, y) = (vector.base, UnsafeMutableRawPointer(base))
    HalfConversion.run(count, threads: threads) { start, n in
      HalfLoops.narrow(x + start, into: y + 2 * start, Scalar.elementType, n)
      if overflowPolicy == .saturate { HalfLoops.saturate(x + start, y + 2 * start, Scalar.elementType, n) }
    }
  }
}

extension ParameterVector where Scalar == Float {
  /// Makes a copy of a vector in half precision, which is exact.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/invalidSetting(_:)`` for less than one thread.
  /// - Complexity: O(n); reads 2n and writes 4n bytes.
  public init<Half: HalfScalar>(
    widening vector: borrowing ParameterVector<Half>, threads: Int? = nil
  ) throws(MomentumError) {
    let threads = try Machine.threads(threads)
    try self.init(vector.layout, threads: threads)
    let (x, y) = (UnsafeRawPointer(vector.base), base)
    HalfConversion.run(count, threads: threads) { start, n in
      HalfLoops.widen(x + 2 * start, Half.elementType, into: y + start, n)
    }
  }
}
