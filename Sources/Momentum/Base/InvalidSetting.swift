/// A setting that was refused: its name, its place, its value, and the values that are allowed.
///
/// ```swift
/// func validate() throws(MomentumError) {
///   guard beta >= 0, beta <= 1 else { throw .invalidSetting(name: "beta", value: beta, expected: .between(0, 1)) }
/// }
/// ```
public struct InvalidSetting: Sendable, Hashable {
  /// The owner of the setting, if it is not the whole optimizer or configuration.
  public enum Place: Sendable, Hashable {
    /// The tensor of this name.
    case tensor(String)
    /// The group of this name.
    case group(String)
    /// The step after this many steps, and the values that schedules have for it, in words.
    case step(Int, scheduled: String? = nil)
  }

  /// The value of a refused setting.
  public enum Value: Sendable, Hashable {
    /// A number.
    case number(Double)
    /// A whole number.
    case count(Int)
    /// Anything else, in words.
    case words(String)
  }

  /// The values that a setting may have.
  public enum Expectation: Sendable, Hashable {
    /// A number at least this large; infinity counts.
    case atLeast(Double)
    /// A finite number at least this large.
    case finiteAtLeast(Double)
    /// A positive finite number.
    case positive
    /// A finite number above this one.
    case finiteAbove(Double)
    /// A number from the first to the second, both included.
    case between(Double, Double)
    /// A whole number at least this large.
    case countAtLeast(Int)
    /// Anything else, in words.
    case words(String)
  }

  /// The setting, for example `learningRate`.
  public let name: String
  /// The owner of the setting; `nil` if it is a setting of the whole optimizer or configuration.
  public let place: Place?
  /// The value that was refused.
  public let value: Value
  /// The values that are allowed.
  public let expected: Expectation

  /// Describes a refusal.
  public init(_ name: String, of place: Place? = nil, value: Value, expected: Expectation) {
    self.name = name
    self.place = place
    self.value = value
    self.expected = expected
  }
}

extension MomentumError {
  /// A number out of its range.
  public static func invalidSetting(
    name: String, of place: InvalidSetting.Place? = nil, value: Double, expected: InvalidSetting.Expectation
  ) -> MomentumError {
    .invalidSetting(InvalidSetting(name, of: place, value: .number(value), expected: expected))
  }

  /// A whole number out of its range.
  public static func invalidSetting(
    name: String, of place: InvalidSetting.Place? = nil, value: Int, expected: InvalidSetting.Expectation
  ) -> MomentumError {
    .invalidSetting(InvalidSetting(name, of: place, value: .count(value), expected: expected))
  }

  /// A setting that is impossible, in words.
  public static func invalidSetting(
    name: String, of place: InvalidSetting.Place? = nil, value: String, expected: String
  ) -> MomentumError {
    .invalidSetting(InvalidSetting(name, of: place, value: .words(value), expected: .words(expected)))
  }
}

extension InvalidSetting: CustomStringConvertible {
  /// One sentence, for example `learningRate is -1.0; expected a finite number >= 0`.
  public var description: String { "\(name)\(place.map { " \($0)" } ?? "") is \(value); expected \(expected)" }
}

extension InvalidSetting.Place: CustomStringConvertible {
  public var description: String {
    switch self {
    case .tensor(let name): "of tensor '\(name)'"
    case .group(let name): "of group '\(name)'"
    case .step(let step, nil): "after \(step) steps"
    case .step(let step, let values?): "after \(step) steps (scheduled: \(values))"
    }
  }
}

extension InvalidSetting.Value {
  /// Whether two values are the same; unlike the numbers themselves, NaN is the same as NaN.
  public static func == (x: InvalidSetting.Value, y: InvalidSetting.Value) -> Bool {
    switch (x, y) {
    case (.number(let x), .number(let y)): x == y || (x.isNaN && y.isNaN)
    case (.count(let x), .count(let y)): x == y
    case (.words(let x), .words(let y)): x == y
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .number(let number): hasher.combine(number.isNaN ? nil : number as Double?)
    case .count(let count): hasher.combine(count)
    case .words(let words): hasher.combine(words)
    }
  }
}

extension InvalidSetting.Value: CustomStringConvertible {
  public var description: String {
    switch self {
    case .number(let number): "\(number)"
    case .count(let count): "\(count)"
    case .words(let words): words
    }
  }
}

extension InvalidSetting.Expectation: CustomStringConvertible {
  public var description: String {
    switch self {
    case .atLeast(let bound): "a number >= \(Self.short(bound))"
    case .finiteAtLeast(let bound): "a finite number >= \(Self.short(bound))"
    case .positive: "a positive finite number"
    case .finiteAbove(let bound): "a finite number > \(Self.short(bound))"
    case .between(let lower, let upper): "a number in \(Self.short(lower))...\(Self.short(upper))"
    case .countAtLeast(let bound): "at least \(bound)"
    case .words(let words): words
    }
  }

  /// The number's text; a whole number has no fraction.
  private static func short(_ number: Double) -> String { Int(exactly: number).map { "\($0)" } ?? "\(number)" }
}
