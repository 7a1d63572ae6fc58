import ArgumentParser

/// Numbers separated by commas, as the value of an option.
struct NumberList: ExpressibleByArgument, Hashable {
  var values: [Double]

  init(_ values: [Double]) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard !parts.isEmpty, parts.allSatisfy({ $0 != nil }) else { return nil }
    values = parts.compactMap { $0 }
  }

  var defaultValueDescription: String { values.map(\.description).joined(separator: ",") }
}
