internal import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A name of a file for as long as it is written, which ``InterruptedWrites`` knows until it is forgotten.
struct TemporaryName {
  let path: String
  private let slot: Int?

  /// A hidden name in a directory. Nothing is created.
  init(in directory: String) {
    path = "\(directory)/\(Leftovers.newName())"
    slot = InterruptedWrites.add(path)
  }

  /// To be called when no file has this name any more.
  func forget() {
    if let slot { InterruptedWrites.drop(slot) }
  }
}

/// What a program that is told to end has to clean up: temporary files that have a name.
///
/// A library installs no handlers of signals. A program that has some calls ``mayEnd(by:)`` in them, as `momentum` does.
package enum InterruptedWrites {
  /// Addresses of C strings; 0 where there is none. What takes one out of its place owns it.
  nonisolated(unsafe) private static let slots = {
    let slots = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: slotCount)
    for index in 0..<slotCount { (slots + index).initialize(to: Atomic(0)) }
    return slots
  }()
  private static let slotCount = 256
  private static let commits = Atomic<Int>(0)
  private static let pending = Atomic<CInt>(0)

  /// Makes sure that nothing need be set up in a handler.
  package static func prepare() {
    _ = slots
    _ = commits.load(ordering: .relaxed) + Int(pending.load(ordering: .relaxed))
  }

  /// Prepares the end of this process by a signal; for its handler, all calls in it are safe there.
  ///
  /// - Returns: Whether the process may end now: all temporary files are gone. Otherwise new files are just taking the
  ///   place of old ones; the signal is raised again as soon as they have, with its default effect.
  package static func mayEnd(by signal: CInt) -> Bool {
    guard commits.load(ordering: .sequentiallyConsistent) == 0 else {
      pending.store(signal, ordering: .sequentiallyConsistent)
      return false
    }
    for index in 0..<slotCount {
      let address = slots[index].exchange(0, ordering: .acquiringAndReleasing)
      if let path = UnsafePointer<CChar>(bitPattern: address) { unlink(path) }
    }
    return true
  }

  /// Runs what must not stop half-way.
  static func postponed<R>(_ body: () throws(SafetensorsError) -> R) throws(SafetensorsError) -> R {
    commits.add(1, ordering: .sequentiallyConsistent)
    defer {
      if commits.subtract(1, ordering: .sequentiallyConsistent).newValue == 0 {
        let number = pending.exchange(0, ordering: .sequentiallyConsistent)
        if number != 0 {
          signal(number, SIG_DFL)
          kill(getpid(), number)
        }
      }
    }
    return try body()
  }

  /// Notes a name; `nil` if there are too many.
  fileprivate static func add(_ path: String) -> Int? {
    guard let copy = strdup(path) else { return nil }
    for index in 0..<slotCount {
      let address = UInt(bitPattern: copy)
      if slots[index].compareExchange(expected: 0, desired: address, ordering: .acquiringAndReleasing).exchanged {
        return index
      }
    }
    free(copy)
    return nil
  }

  fileprivate static func drop(_ slot: Int) {
    let address = slots[slot].exchange(0, ordering: .acquiringAndReleasing)
    free(UnsafeMutablePointer<CChar>(bitPattern: address))
  }
}
