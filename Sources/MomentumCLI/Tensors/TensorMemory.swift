import Foundation
import Momentum
import MomentumFiles

/// Tensors of files in memory of their own, which is used again for others when they are done with: a page that the system
/// has given once costs nothing the second time.
final class TensorMemory {
  private let pool: MemoryPool
  private let memory: SharedMemory
  private var offsets: [SafetensorsTensor: Int] = [:]
  private static let alignment = 4096

  /// Reserves memory.
  ///
  /// - Parameter byteCount: The bytes that a tensor takes in memory.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  init(
    _ tensors: [SafetensorsTensor], in pool: MemoryPool, byteCount: (SafetensorsTensor) -> Int
  ) throws(MomentumError) {
    self.pool = pool
    var end = 0
    for tensor in tensors {
      offsets[tensor] = end
      end += (byteCount(tensor) + Self.alignment - 1) / Self.alignment * Self.alignment
    }
    memory = try pool.take(end)
  }

  /// Copies of tensors as their files have them.
  convenience init(copying places: [SafetensorsSet.Place], in pool: MemoryPool) throws {
    try self.init(places.map(\.tensor), in: pool) { $0.dataRange.count }
    for place in places { try place.file.copy(place.tensor, to: start(of: place.tensor)) }
  }

  deinit { pool.give(memory) }

  private func start(of tensor: SafetensorsTensor) -> UnsafeMutableRawPointer {
    memory.start + offsets[tensor]!
  }

  /// The elements of a tensor.
  func buffer<Scalar>(of tensor: SafetensorsTensor, as _: Scalar.Type) -> UnsafeMutableBufferPointer<Scalar> {
    UnsafeMutableBufferPointer(
      start: start(of: tensor).bindMemory(to: Scalar.self, capacity: tensor.count), count: tensor.count)
  }

  /// The bytes of a tensor that was copied.
  func bytes(of tensor: SafetensorsTensor) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start(of: tensor), count: tensor.dataRange.count)
  }
}

/// Pieces of memory that are taken, given back and taken again. Safe to use from several threads.
final class MemoryPool: @unchecked Sendable {  // guarded by the lock
  private let lock = NSLock()
  private var free: [SharedMemory] = []

  /// Memory of at least so many bytes; what it holds is not defined.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  func take(_ byteCount: Int) throws(MomentumError) -> SharedMemory {
    lock.lock()
    defer { lock.unlock() }
    // The smallest that is large enough.
    let fitting = free.indices.filter { free[$0].byteCount >= byteCount }
    if let index = fitting.min(by: { free[$0].byteCount < free[$1].byteCount }) { return free.remove(at: index) }
    // One that is too small will not be needed beside a larger one.
    _ = free.popLast()
    return try SharedMemory(byteCount: byteCount)
  }

  /// Gives memory back that ``take(_:)`` has returned.
  func give(_ memory: SharedMemory) {
    lock.lock()
    defer { lock.unlock() }
    free.append(memory)
  }
}
