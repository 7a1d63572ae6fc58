/// An exchange for an owner some of whose tensors others hold as well: layer norms that every rank of a tensor parallel group
/// has, an embedding tied to the last layer of a pipeline.
///
/// ```swift
/// // Ranks of a group hold slices of the weights, and all of them the biases, which the first one counts.
/// let exchange = SharingExchange(
///   RankExchange(group, elements: model.count), countedElsewhere: group.rank == 0 ? [] : ["bias"])
/// ```
///
/// Every owner of such a tensor clips and steps it, by the coefficient of all; its norm enters the norm of all once, through
/// the one owner that counts it. So the number of elements that a ``RankExchange`` expects is that of the model, and the
/// tensors stay the same for all owners to the last bit, as long as their gradients are the same: sum them over the owners
/// before the step.
///
/// On a grid of MPI ranks the names follow from placements: `PlacedModel` of `MomentumMPI`.
///
/// Only ``ClipReport/valueClippedCount`` counts the elements of these tensors once for each owner. A NaN or an infinity that
/// none but an owner has which does not count the tensor makes all owners throw ``MomentumError/invalidSetting(_:)``: the
/// gradients of such a tensor differ then.
public struct SharingExchange: NormExchange {
  private let base: any NormExchange
  /// The names of this owner's tensors that another owner counts.
  public let countedElsewhere: Set<String>
  public let heldJointly: Set<String>

  /// Leaves the counting of some tensors to others.
  ///
  /// - Parameters:
  ///   - base: Where the owners meet. What it leaves to others already stays with them.
  ///   - countedElsewhere: The names of this owner's tensors that another owner counts, each of which has to be counted by
  ///     exactly one.
  public init(_ base: any NormExchange, countedElsewhere: Set<String>) {
    (self.base, self.countedElsewhere) = (base, countedElsewhere.union(base.countedElsewhere))
    heldJointly = base.heldJointly.subtracting(countedElsewhere)
  }

  public func merge(_ message: inout NormMessage) throws(MomentumError) { try base.merge(&message) }
}
