import Foundation

/// Numbers in a file that is mapped into memory: written like memory, and there for the next process.
final class MappedVector {
  let elements: UnsafeMutableBufferPointer<Float>

  /// Maps a file, which is made, of zeros, if there is none.
  init(_ path: String, count: Int) throws {
    let size = count * MemoryLayout<Float>.stride
    let file = open(path, O_RDWR | O_CREAT, 0o644)
    guard file >= 0 else { throw SystemError("open \(path)") }
    defer { close(file) }
    guard ftruncate(file, off_t(size)) == 0 else { throw SystemError("ftruncate \(path)") }
    guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), memory != MAP_FAILED else {
      throw SystemError("mmap \(path)")
    }
    elements = UnsafeMutableBufferPointer(start: memory.bindMemory(to: Float.self, capacity: count), count: count)
  }

  deinit { munmap(elements.baseAddress, elements.count * MemoryLayout<Float>.stride) }

  /// Waits until the file on the disk is what the memory is, so that it also outlives the machine's power.
  func flush() throws {
    guard msync(elements.baseAddress, elements.count * MemoryLayout<Float>.stride, MS_SYNC) == 0 else {
      throw SystemError("msync")
    }
  }
}

/// What a call of the system has failed with.
struct SystemError: Error, CustomStringConvertible {
  let description: String
  init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}
