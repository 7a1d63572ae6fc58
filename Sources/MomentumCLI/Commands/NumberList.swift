import ArgumentParser

/// Numbers separated by commas, as the value of an option.
struct NumberList: ExpressibleByArgument, Hashable, CustomStringConvertible {
  var values: [Double]

  init(_ values: [Double]) { self.values = values }

  init?(argument: String) {
    guard let values = try? NumberText.doubles(argument) else { return nil }
    self.values = values
  }

  /// The list of a text, for the `transform` of an option, whose errors say which number is wrong.
  static func list(_ text: String) throws(NumberText.Refusal) -> NumberList { NumberList(try NumberText.doubles(text)) }

  var description: String { values.map(\.description).joined(separator: ",") }
}
