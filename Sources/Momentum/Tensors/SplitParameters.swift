/// Parameters of `Float`, each kept as a ``BFloat16`` and a remainder of 16 bits: in the memory of a `Float` master, both the
/// master, to the last bit, and a copy in half precision that is always ready.
///
/// ```swift
/// let master = try ParameterVector<Float>([1, 0.1])
/// var parameters = try SplitParameters(master)
/// try optimizer.step(&parameters, gradients: gradients)
/// let inHalfPrecision = parameters.bfloat16[1]  // for the next forward pass
/// let exact = parameters[1]  // as in a step of Floats
/// ```
///
/// The `BFloat16` is the number rounded to nearest, ties away from 0: the remainder, a signed number, says what it lacks. So
/// a copy differs from one rounded to even only where a number lies exactly in the middle. A NaN becomes the quiet NaN; all
/// other numbers keep their bits.
public struct SplitParameters: ~Copyable, @unchecked Sendable {  // sole owner of its memory
  /// The parameters in half precision; steps keep them up to date.
  public let bfloat16: ParameterVector<BFloat16>
  private let memory: OwnedBuffer<Int16>

  /// The tensors.
  public var layout: ParameterLayout { bfloat16.layout }
  /// The number of elements.
  public var count: Int { bfloat16.count }

  /// Makes parameters of zeros.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/invalidSetting(_:)`` for less than one thread.
  public init(_ layout: ParameterLayout, threads: Int? = nil) throws(MomentumError) {
    let bfloat16 = try ParameterVector<BFloat16>(layout, threads: threads)
    let memory = try OwnedBuffer<Int16>(count: layout.count)
    self.bfloat16 = bfloat16
    self.memory = memory
  }

  /// Splits parameters.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/invalidSetting(_:)`` for less than one thread.
  /// - Complexity: O(n); reads and writes 4n bytes.
  public init(_ master: borrowing ParameterVector<Float>, threads: Int? = nil) throws(MomentumError) {
    let threads = try Machine.threads(threads)
    try self.init(master.layout, threads: threads)
    let (x, y, remainders) = (master.base, UnsafeMutableRawPointer(bfloat16.base), UnsafeMutableRawPointer(memory.base))
    HalfConversion.run(count, threads: threads) { start, n in
      HalfLoops.split(x + start, into: y + 2 * start, remainders + 2 * start, n)
    }
  }

  /// Puts parameters together again that were saved in two parts.
  ///
  /// - Parameters:
  ///   - bfloat16: ``bfloat16`` of the parameters that were saved.
  ///   - remainders: The remainders of ``withUnsafeRemainders(_:)``.
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/allocationFailed(bytes:)``.
  public init(
    bfloat16: consuming ParameterVector<BFloat16>, remainders: UnsafeBufferPointer<Int16>
  ) throws(MomentumError) {
    guard remainders.count == bfloat16.count else {
      throw .countMismatch(what: "remainders", count: remainders.count, expected: bfloat16.count)
    }
    let memory = try OwnedBuffer<Int16>(count: remainders.count)
    _ = memory.all.update(fromContentsOf: remainders)
    self.bfloat16 = bfloat16
    self.memory = memory
  }

  /// The parameter at a flat index, with all its bits.
  ///
  /// - Precondition: `0 <= index < count`.
  public subscript(index: Int) -> Float {
    let upper = UInt32(bfloat16[index].bitPattern) << 16
    return Float(bitPattern: upper &+ UInt32(bitPattern: Int32(memory.base[index])))
  }

  /// All parameters, with all their bits.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/invalidSetting(_:)`` for less than one thread.
  /// - Complexity: O(n); reads and writes 4n bytes.
  public borrowing func joined(threads: Int? = nil) throws(MomentumError) -> ParameterVector<Float> {
    let threads = try Machine.threads(threads)
    let master = try ParameterVector<Float>(layout, threads: threads)
    let (x, y, remainders) = (UnsafeRawPointer(bfloat16.base), master.base, UnsafeRawPointer(memory.base))
    HalfConversion.run(count, threads: threads) { start, n in
      HalfLoops.join(x + 2 * start, remainders + 2 * start, into: y + start, n)
    }
    return master
  }

  /// Calls `body` with the remainders, to save them beside ``bfloat16``: for each parameter, its bits less those of the
  /// `BFloat16`.
  ///
  /// - Throws: The error that `body` throws.
  public borrowing func withUnsafeRemainders<R: ~Copyable, E: Error>(
    _ body: (UnsafeBufferPointer<Int16>) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeBufferPointer(memory.all))
  }

  /// Calls `body` with both parts, for a list of tensors (``ParameterBuffer``). Each has as many elements as the layout, and
  /// what belongs together must be changed together.
  ///
  /// - Throws: The error that `body` throws.
  public mutating func withUnsafeMutableParts<R: ~Copyable, E: Error>(
    _ body: (UnsafeMutableBufferPointer<BFloat16>, UnsafeMutableBufferPointer<Int16>) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeMutableBufferPointer(start: bfloat16.base, count: count), memory.all)
  }

  /// The address of the remainders, for the engine.
  var remainders: UnsafeMutablePointer<Int16> { memory.base }
}
