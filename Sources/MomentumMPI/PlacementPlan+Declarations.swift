import Foundation
import Momentum

extension PlacementPlan {
  /// All that a rank says about its tensors. It travels as text.
  struct Declaration: Codable {
    let axes: [RankGrid.Axis]
    let tensors: [Declared]
  }
}

extension PlacementPlan.Declaration {
  /// The same for declarations that are the same.
  var words: [UInt64] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Names and whole numbers always have a text.
    guard let text = try? encoder.encode(self) else { preconditionFailure("a declaration has no text") }
    return ErrorWords.words(of: String(decoding: text, as: UTF8.self))
  }

  init?(words: [UInt64]) {
    guard let text = ErrorWords.text(of: words),
      let read = try? JSONDecoder().decode(Self.self, from: Data(text.utf8))
    else { return nil }
    self = read
  }
}
