extension ParameterLayout: CustomStringConvertible {
  /// One line, for example `6 elements in 2 tensors: weight [2, 2], bias [2]`; of many tensors the first eight.
  public var description: String {
    let shown = tensors.prefix(8).map { "\($0.name) \($0.shape)" }
    let rest = tensors.count > shown.count ? ", and \(tensors.count - shown.count) more" : ""
    return "\(count) \(count == 1 ? "element" : "elements") in "
      + "\(tensors.count) \(tensors.count == 1 ? "tensor" : "tensors"): \(shown.joined(separator: ", "))\(rest)"
  }
}
