public import Momentum

/// The exchange of a rank whose tensors are placed by a plan: leaves the counting of a tensor to the rank that counts it, and
/// names elements of slices by their places in the whole tensors.
///
/// It is a ``SharingExchange`` whose tensors follow from a ``PlacementPlan``.
public struct PlacementExchange: NormExchange {
  private let base: any NormExchange
  private let plan: PlacementPlan
  private let rank: Int
  public let countedElsewhere: Set<String>
  public let heldJointly: Set<String>

  init(_ base: any NormExchange, _ plan: PlacementPlan, rank: Int) {
    (self.base, self.plan, self.rank) = (base, plan, rank)
    let own = plan.countedElsewhere(by: rank)
    countedElsewhere = own.union(base.countedElsewhere)
    heldJointly = base.heldJointly.subtracting(own)
  }

  public func merge(_ message: inout NormMessage) throws(MomentumError) {
    message.renumberFailure { tensor, index in plan.wholeIndex(index, of: tensor, heldBy: rank) }
    try base.merge(&message)
  }
}

extension NormMessage {
  /// Names the element that has failed by its place in the whole tensor.
  mutating func renumberFailure(_ place: (_ tensor: String, _ index: Int) -> Int) {
    switch failure {
    case .nonFiniteGradient(let tensor, let index, let value):
      failure = .nonFiniteGradient(tensor: tensor, index: place(tensor, index), value: value)
    case .nonFiniteState(let what, let tensor, let index, let value):
      failure = .nonFiniteState(what: what, tensor: tensor, index: place(tensor, index), value: value)
    default: break
    }
  }
}
