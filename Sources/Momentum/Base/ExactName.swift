/// A tensor's name as a key: the same only if its bytes are. Swift's own equality takes two spellings of "é" for one;
/// tensor files, and the programs that share them, do not.
struct ExactName: Hashable {
  private let text: String

  init(_ text: String) {
    var text = text
    text.makeContiguousUTF8()
    self.text = text
  }

  static func == (x: ExactName, y: ExactName) -> Bool {
    x.withBytes { x in y.withBytes { y in Platform.areSame(x, y) } }
  }

  func hash(into hasher: inout Hasher) {
    withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(0xFF as UInt8)
  }

  /// The bytes in one piece: a model may have a million names, and their views are slow.
  @inline(__always)
  private func withBytes<R>(_ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    text.utf8.withContiguousStorageIfAvailable(body)!
  }
}
