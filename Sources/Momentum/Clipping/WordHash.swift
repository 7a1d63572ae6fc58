/// A hash of words, the same in every process and on every machine. Not against attackers.
package struct WordHash {
  /// The hash of the words so far.
  package private(set) var value: UInt64 = 0x6d6f_6d65_6e74_756d

  package init() {}

  /// Takes in one word: a step of the generator SplitMix64 from the word and the hash so far.
  package mutating func add(_ word: UInt64) {
    var mixed = (value &+ 0x9e37_79b9_7f4a_7c15) ^ word
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    value = mixed ^ mixed >> 31
  }

  /// Takes in the bytes of a text.
  package mutating func add(_ text: String) {
    add(UInt64(text.utf8.count))
    for byte in text.utf8 { add(UInt64(byte)) }
  }
}
