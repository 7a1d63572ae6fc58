import ArgumentParser
import Momentum

/// The norm that `momentum norm` measures.
enum NormChoice: Equatable {
  /// That of all elements, of an order.
  case order(Double)
  /// The largest singular value of a matrix.
  case spectral

  /// - Throws: ``NumberText/Refusal`` for what is neither a number nor a name.
  init(_ text: String) throws(NumberText.Refusal) {
    if text == "spectral" {
      self = .spectral
    } else if Double(text) == nil {
      throw NumberText.Refusal(description: "expected a number or 'spectral'")
    } else {
      self = .order(try NumberText.double(text))
    }
  }

  var order: Double? { if case .order(let order) = self { order } else { nil } }
}

/// How tensors of more than two axes are read as matrices.
enum MatrixReading: String, ExpressibleByArgument, CaseIterable {
  case firstAxis = "first-axis"
  case lastTwoAxes = "last-two-axes"

  var view: MatrixView { self == .firstAxis ? .firstAxis : .lastTwoAxes }
}
