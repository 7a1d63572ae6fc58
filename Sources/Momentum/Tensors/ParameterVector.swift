/// A flat vector of parameters, gradients or velocity with a ``ParameterLayout``. It owns its memory, which is aligned
/// and zero at first.
///
/// The memory is aligned for BLAS; large vectors are advised to use huge pages and are first touched by the threads
/// that work on them in both passes of a step, so that on machines with several memory nodes (NUMA) each page lies near
/// its thread, as long as the system leaves the thread where it was. The vector cannot be copied by accident: use
/// ``clone()``. Programs that have their own memory do not need `ParameterVector`: every function of this library also
/// takes their buffers.
///
/// A vector may be stored in half precision (``HalfScalar``): gradients, for example, or a copy of the parameters.
public struct ParameterVector<Scalar: StoredScalar>: ~Copyable, @unchecked Sendable {  // sole owner of its memory
  /// The tensors in this vector.
  public let layout: ParameterLayout
  private let memory: AlignedMemory
  /// The first element; the address of a subscript is computed by the caller's own code.
  @usableFromInline let base: UnsafeMutablePointer<Scalar>
  /// The number of elements. Stored here, where no write of an element can change it: behind the layout's reference, a loop
  /// over subscripts would read it anew after each write.
  public let count: Int

  /// Makes a vector of zeros.
  ///
  /// - Parameters:
  ///   - layout: The tensors.
  ///   - threads: The number of threads that touch the pages of a large vector first; by default as many as the process
  ///     may use.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``, ``MomentumError/invalidSetting(_:)`` for less than one thread.
  /// - Complexity: O(n); writes n elements.
  public init(_ layout: ParameterLayout, threads: Int? = nil) throws(MomentumError) {
    let threads = try Machine.threads(threads)
    let (bytes, overflow) = layout.count.multipliedReportingOverflow(by: MemoryLayout<Scalar>.stride)
    guard !overflow, bytes <= Int.max / 2 else { throw .allocationFailed(bytes: Int.max) }
    let memory = try AlignedMemory(byteCount: bytes)
    self.layout = layout
    count = layout.count
    self.memory = memory
    base = memory.base.bindMemory(to: Scalar.self, capacity: layout.count)
    let team = ThreadTeam(threads, elements: layout.count)
    if team.count > 1 { Self.firstTouch(base, count: layout.count, team) }
  }

  /// Makes a vector of the elements given, with one tensor.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  public init(_ elements: some Collection<Scalar>) throws(MomentumError) {
    try self.init(ParameterLayout(count: elements.count))
    withUnsafeMutableBufferPointer { buffer in
      _ = buffer.update(fromContentsOf: elements)
    }
  }

  deinit { memory.deallocate() }

  /// The element at a flat index.
  ///
  /// - Precondition: `0 <= index < count`.
  @inlinable
  public subscript(index: Int) -> Scalar {
    get {
      precondition(index >= 0 && index < count, "index \(index) must be in 0..<\(count)")
      return base[index]
    }
    set {
      precondition(index >= 0 && index < count, "index \(index) must be in 0..<\(count)")
      base[index] = newValue
    }
  }

  /// All elements, for reading.
  public var span: Span<Scalar> {
    @_lifetime(borrow self)
    get {
      let span = Span(_unsafeStart: base, count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }

  /// All elements, for writing.
  public var mutableSpan: MutableSpan<Scalar> {
    @_lifetime(&self)
    mutating get {
      let span = MutableSpan(_unsafeStart: base, count: count)
      return _overrideLifetime(span, mutating: &self)
    }
  }

  /// Calls `body` with the elements, for reading.
  public borrowing func withUnsafeBufferPointer<R: ~Copyable, E: Error>(
    _ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeBufferPointer(start: base, count: count))
  }

  /// Calls `body` with the elements, for writing.
  public mutating func withUnsafeMutableBufferPointer<R: ~Copyable, E: Error>(
    _ body: (UnsafeMutableBufferPointer<Scalar>) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeMutableBufferPointer(start: base, count: count))
  }

  /// A second vector with the same layout and elements.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  /// - Complexity: O(n); reads n, writes n elements.
  public borrowing func clone() throws(MomentumError) -> ParameterVector {
    let copy = try ParameterVector(layout)
    copy.base.update(from: base, count: count)
    return copy
  }

  /// Sets every element.
  ///
  /// - Complexity: O(n); writes n elements.
  public mutating func fill(_ value: Scalar) {
    base.update(repeating: value, count: count)
  }

  /// One buffer for each tensor. Valid as long as the vector lives.
  var tensorBuffers: [UnsafeBufferPointer<Scalar>] {
    layout.tensors.map { UnsafeBufferPointer(start: base + $0.offset, count: $0.count) }
  }

  /// The same, to be written.
  var mutableTensorBuffers: [UnsafeMutableBufferPointer<Scalar>] {
    mutating get { layout.tensors.map { UnsafeMutableBufferPointer(start: base + $0.offset, count: $0.count) } }
  }

  /// Writes one element of every page, from the thread that will work on the page.
  private static func firstTouch(_ base: UnsafeMutablePointer<Scalar>, count: Int, _ team: ThreadTeam) {
    let step = max(1, Platform.pageSize / MemoryLayout<Scalar>.stride)
    let pages = UnsafeTransfer(base)
    team.run { thread in
      let share = team.share(of: thread, count: count)
      for index in stride(from: share.lowerBound, to: share.upperBound, by: step) {
        UnsafeMutableRawPointer(pages.value + index).storeBytes(of: 0, as: UInt8.self)
      }
    }
  }
}
