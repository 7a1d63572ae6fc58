/// Small pieces of a file on their way to it, gathered so that they need few calls of the operating system.
struct GatheredBytes {
  /// From this size on a piece is written as it is: a copy would cost more than a call saves.
  private static let capacity = 1 << 16

  private var bytes: [UInt8] = []

  /// Adds a piece behind the others; writes them if there are enough.
  mutating func append(_ piece: UnsafeRawBufferPointer, _ write: FileReplacement.Emit) throws(SafetensorsError) {
    if bytes.count + piece.count > Self.capacity { try flush(write) }
    guard piece.count < Self.capacity else { return try write(piece) }
    if bytes.isEmpty { bytes.reserveCapacity(Self.capacity) }
    bytes.append(contentsOf: piece)
  }

  /// Writes what has been gathered.
  mutating func flush(_ write: FileReplacement.Emit) throws(SafetensorsError) {
    try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try write(UnsafeRawBufferPointer(bytes)) }
    bytes.removeAll(keepingCapacity: true)
  }
}
