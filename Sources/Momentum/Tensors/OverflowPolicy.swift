/// What is stored for a finite number that exceeds the largest number of its type in half precision when it is rounded to
/// nearest: from 0x1.FFp127 on in ``BFloat16``, from 65 520 on in `Float16`.
///
/// ```swift
/// let master = try ParameterVector<Float>([3.4e38, -3.4e38, .infinity])
/// let copy = try ParameterVector<BFloat16>(rounding: master, overflowPolicy: .saturate)
/// let stored = [copy[0], copy[1], copy[2]]  // 3.39e38, -3.39e38, infinite
/// ```
///
/// Either way ``ClipReport/overflowedElements`` counts it. A NaN stays one, and a number that was infinite before it was rounded
/// stays infinite: it says that something went wrong earlier, in `Float`, and no largest number would be nearer to it.
public enum OverflowPolicy: String, Sendable, Hashable, Codable, CaseIterable {
  /// Infinity of its sign, as IEEE 754 has it.
  case infinity
  /// The largest number of its sign.
  case saturate
}
