/// Text that is equal only to the same bytes, and is sorted by them. Swift's own equality takes two spellings of "é"
/// for one, the format and the programs that share its files do not.
struct ExactText: Hashable, Comparable {
  let text: String

  init(_ text: String) {
    var text = text
    text.makeContiguousUTF8()
    self.text = text
  }

  static func == (left: ExactText, right: ExactText) -> Bool {
    left.withBytes { left in right.withBytes { right in areSame(left, right) } }
  }

  static func < (left: ExactText, right: ExactText) -> Bool {
    left.withBytes { left in right.withBytes { right in left.lexicographicallyPrecedes(right) } }
  }

  func hash(into hasher: inout Hasher) {
    withBytes { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(0xFF as UInt8)
  }

  /// The bytes in one piece: a file may have a million names, and their views are slow.
  private func withBytes<R>(_ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    text.utf8.withContiguousStorageIfAvailable(body)!
  }
}
