/// The first tensor in which a layout differs from the one that was expected.
public struct LayoutMismatch: Sendable, Hashable {
  /// A tensor as a layout describes it. Names are the same if their bytes are.
  public struct Tensor: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The extent along each axis.
    public let shape: [Int]

    /// Describes a tensor.
    public init(name: String, shape: [Int]) { (self.name, self.shape) = (name, shape) }

    public static func == (x: Tensor, y: Tensor) -> Bool {
      ExactName(x.name) == ExactName(y.name) && x.shape == y.shape
    }

    public func hash(into hasher: inout Hasher) {
      hasher.combine(ExactName(name))
      hasher.combine(shape)
    }
  }

  /// The owner of the layout, for example `gradients`.
  public let what: String
  /// The position of the tensor in both layouts.
  public let position: Int
  /// The tensor that is there; `nil` if the layout ends before.
  public let found: Tensor?
  /// The tensor that was expected; `nil` if no more were.
  public let expected: Tensor?

  /// Describes a difference.
  public init(what: String, position: Int, found: Tensor?, expected: Tensor?) {
    self.what = what
    self.position = position
    self.found = found
    self.expected = expected
  }
}

extension LayoutMismatch: CustomStringConvertible {
  /// One sentence, for example `tensor 1 of the gradients is 'bias' of shape [3]; expected 'weight' of shape [2, 3]`.
  public var description: String {
    "tensor \(position) of the \(what) is \(found?.description ?? "missing"); "
      + "expected \(expected?.description ?? "\(position) tensors")"
  }
}

extension LayoutMismatch.Tensor: CustomStringConvertible {
  public var description: String { "'\(name)' of shape \(shape)" }
}
