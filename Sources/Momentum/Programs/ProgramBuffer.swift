/// The programs of one step, in memory that the next step overwrites.
///
/// Tensors in the same state share a program, so there are at most as many programs as tensors. This is a class over
/// plain memory, because finding a program then takes one addition, and changing one needs no check for another owner.
final class ProgramBuffer {
  private let storage: UnsafeMutableBufferPointer<StepProgram>
  /// The number of programs.
  private(set) var count = 0

  /// - Parameter capacity: The number of tensors.
  init(capacity: Int) { storage = .allocate(capacity: capacity) }

  deinit { storage.deallocate() }

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
}
