/// What the ranks of a ``DistributedOptimizer`` divide among them.
public enum Sharding: String, Sendable, Hashable, CaseIterable {
  /// Nothing: every rank has the whole gradient and the whole state, and takes the same step.
  case none
  /// The state (ZeRO stage 1): each rank keeps velocity and average of its part only, and updates it.
  case state
  /// The state and the sum of gradients (ZeRO stage 2): no rank keeps more than its part of the sum. With it, adding a
  /// gradient is a meeting of all ranks, and a rank has the micro-batches `rank`, `rank + P`, `rank + 2·P` and so on.
  case stateAndGradients
}

/// The order in which the gradients of the micro-batches are added up. Steps take the mean.
public enum GradientReduction: Sendable, Hashable {
  /// In a fixed binary tree over the number of the micro-batch, so that parameters, state and files have the same bits on
  /// any number of ranks; see ``MicroBatchTree``. Each step has the same number of micro-batches, which the ranks share.
  case ordered(microBatches: Int)
  /// In the order that the MPI at hand finds best: the same on all ranks, but other bits on other numbers of ranks, with
  /// other algorithms and other libraries. Each rank may add any number of gradients to a step.
  case library
}
