/// Into which units the elements of a tensor fall, for limits and factors that hold for each unit on its own.
public enum TensorUnits: Sendable, Hashable, Codable {
  /// The tensor is one unit.
  case tensor
  /// One unit for each index of the first axis: the output units of a layer whose weights are stored as PyTorch does.
  /// Tensors with fewer than two axes are one unit.
  case firstAxis
  /// The units of Optax: tensors with fewer than two axes are one unit; of two or three axes, norms are over the first; of four
  /// and five, over all but the last. Other ranks are an error.
  case optax
  /// Norms are over these axes, as `tf.clip_by_norm` has it: one unit for each index of the others. Negative axes count from the end.
  case axes([Int])
}
