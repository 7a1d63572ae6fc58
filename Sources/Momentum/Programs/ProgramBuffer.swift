/// The programs of one step, in memory that the next step overwrites.
///
/// Tensors in the same state share a program, so there are at most as many programs as tensors. This is a class over
/// plain memory, because finding a program then takes one addition, and changing one needs no check for another owner.
final class ProgramBuffer<Scalar: BLASScalar> {
  private let storage: UnsafeMutableBufferPointer<StepProgram>
  /// The number of programs.
  private(set) var count = 0
  /// The loops of the only program, and the factors for them.
  private let found: UnsafeMutablePointer<FoundLoops<Scalar>>
  private let factors: UnsafeMutablePointer<Scalar>

  /// - Parameter capacity: The number of tensors.
  init(capacity: Int) {
    // One allocation for all, because clipping in place makes a buffer for each call.
    let programBytes = capacity * MemoryLayout<StepProgram>.stride
    let factorBytes = ProgramLoop<Scalar>.factorCount * MemoryLayout<Scalar>.stride
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: programBytes + factorBytes + MemoryLayout<FoundLoops<Scalar>>.stride, alignment: 16)
    storage = UnsafeMutableBufferPointer(
      start: memory.bindMemory(to: StepProgram.self, capacity: capacity), count: capacity)
    factors = (memory + programBytes).bindMemory(to: Scalar.self, capacity: ProgramLoop<Scalar>.factorCount)
    found = (memory + programBytes + factorBytes).initializeMemory(
      as: FoundLoops<Scalar>.self, repeating: FoundLoops(), count: 1)
  }

  deinit { UnsafeMutableRawPointer(storage.baseAddress.unsafelyUnwrapped).deallocate() }

  /// All programs, as ``TensorTable/Entry/program`` counts them.
  var all: UnsafeBufferPointer<StepProgram> { UnsafeBufferPointer(rebasing: storage[..<count]) }

  func removeAll() { count = 0 }

  /// Adds a program that does nothing yet.
  @inline(__always)
  func append() -> UnsafeMutablePointer<StepProgram> {
    precondition(count < storage.count, "there are as many programs as tensors")
    let program = storage.baseAddress.unsafelyUnwrapped + count
    program.pointee.removeAll()
    count &+= 1
    return program
  }

  /// Removes the last program if it is the same as the one before it.
  func removeLastIfRepeated() {
    if count > 1, storage[count - 1] == storage[count - 2] { count -= 1 }
  }

  /// The loop of the program, if there is one program alone and it is to be run as a loop. Its factors are those of this
  /// moment, until it is asked for again.
  ///
  /// - Parameter speculates: As for ``TileProgram/load(_:cacheBytes:_:speculates:)``.
  @inline(__always)
  func onlyLoop(_ kernels: StepKernels, cacheBytes: Int, speculates: Bool = false) -> ProgramLoop<Scalar>? {
    guard count == 1, kernels.prefersLoops, let program = storage.baseAddress.map({ UnsafePointer($0) }),
      speculates || kernels.takesLoop(of: program, cacheBytes: cacheBytes, canSpeculate: false),
      let signature = program.signature(writing: factors), let loop = found.pointee.find(signature, factors)
    else { return nil }
    return !speculates || loop.canSpeculate ? loop : nil
  }

  /// The same on vectors in half precision that are stored in one way, and its factors.
  @inline(__always)
  func onlyHalfLoop(
    _ kernels: StepKernels, _ storage: FusedHalfLoop.Storage
  ) -> (loop: FusedHalfLoop, factors: UnsafeMutablePointer<Scalar>)? {
    guard count == 1, kernels.prefersLoops, let program = self.storage.baseAddress.map({ UnsafePointer($0) }),
      let signature = program.signature(writing: factors), let loop = found.pointee.find(signature, storage)
    else { return nil }
    return (loop, factors)
  }
}
