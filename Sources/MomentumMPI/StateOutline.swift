import Foundation
package import Momentum

/// What an optimizer remembers beside the elements of its vectors, and which vectors it has: so that one rank can tell
/// another.
package struct StateOutline<Scalar: BLASScalar>: Codable {
  /// The state without its vectors.
  package let state: OptimizerState<Scalar>
  let hasDirection: Bool
  let hasSecondMoment: Bool
  let hasAverage: Bool

  package init(_ whole: OptimizerState<Scalar>) {
    (hasDirection, hasAverage) = (!whole.direction.isEmpty, !whole.average.isEmpty)
    hasSecondMoment = !whole.secondMoment.isEmpty
    var state = whole
    (state.direction, state.secondMoment, state.average) = ([], [], [])
    self.state = state
  }

  /// The outline as text, which holds every number exactly.
  package var bytes: [UInt8] { get throws { try Array(Self.encoder.encode(self)) } }

  package init(bytes: [UInt8]) throws { self = try Self.decoder.decode(Self.self, from: Data(bytes)) }

  private static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return encoder
  }

  private static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return decoder
  }
}
