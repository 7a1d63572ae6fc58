/// The meeting place of the owners of one gradient, between measuring and deciding.
///
/// A gradient may have several owners: the tensors of each element type in a mixed model, the shards of several threads
/// or processes. Each owner clips or steps by calls of its own, with the same settings. In each call it meets the others
/// a few times, hands over what it has measured, and gets back what all of them together have. So all decide by the norm
/// of the whole, and to the same bits as one owner would, because a ``NormPartial`` does not depend on how the elements
/// are spread, nor on their types.
///
/// The last meeting of a call comes when nothing can fail any more and before anything is written. An owner that fails
/// earlier still comes to its next meeting, and says so there: every owner then throws that error, and none has written
/// anything.
///
/// A tensor that several owners hold is counted by one of them: ``SharingExchange``.
///
/// An owner must hold whole tensors. Where no limit is that of a tensor, a unit or a group, it may hold pieces that were cut
/// between tiles (at multiples of ``Tile/count``).
///
/// ``ThreadExchange`` is the meeting place of threads, ``RankExchange`` that of processes which can add up and compare
/// words. To make one of your own, let every owner wait for the messages of all, and merge them in the order of the
/// owners (``NormMessage/merge(_:)``).
public protocol NormExchange {
  /// Hands over the message of one owner, and replaces it by that of all.
  ///
  /// All owners call this equally often. The result must have the same bits for all.
  ///
  /// - Throws: An error if the owners cannot meet, which ends the call of this owner.
  func merge(_ message: inout NormMessage) throws(MomentumError)

  /// The names of this owner's tensors that another owner counts; by default none. See ``SharingExchange``.
  var countedElsewhere: Set<String> { get }

  /// Those of ``countedElsewhere`` that this owner need not hold, because another does with which it is one owner in an outer
  /// exchange; by default none. See ``ThreadExchange/run(owners:within:_:)``.
  var heldJointly: Set<String> { get }
}

extension NormExchange {
  public var countedElsewhere: Set<String> { [] }
  public var heldJointly: Set<String> { [] }
}

/// What an owner of a part of a gradient tells the others in one meeting of a ``NormExchange``.
public struct NormMessage: Sendable {
  /// The place in the course of the calls; the owners' must be the same.
  struct Point: Sendable, Hashable {
    /// The number of steps taken before this call.
    var step = 0
    /// The number of meetings of this call before this one.
    var meeting = 0
    /// The factor of the gradients, which norms are multiplied by after they were merged.
    var gradientFactor = ScaledDouble(1)
  }

  let point: Point
  /// Measured norms: which, follows from the settings and the meeting.
  public internal(set) var partials: [NormPartial] = []
  /// Numbers that are summed.
  public internal(set) var counts: [Int] = []
  /// The number of elements of the tensors that the owner counts, with or without gradients; of the merged message, of all
  /// tensors.
  ///
  /// An element that two owners hold counts twice, one that nobody holds not at all. So a sum that is not the model's
  /// number of elements betrays a replicated or a missing part, whose norm would be silently wrong.
  public internal(set) var elements = 0
  /// The names of ``NormExchange/heldJointly`` that the owner does not hold.
  var unheld: Set<String> = []
  /// The error that all owners throw; `nil` while none has failed.
  public package(set) var failure: MomentumError?

  init(
    at point: Point, partials: [NormPartial] = [], counts: [Int] = [], elements: Int = 0, unheld: Set<String> = []
  ) {
    (self.point, self.partials, self.counts, self.elements) = (point, partials, counts, elements)
    self.unheld = unheld
  }

  init(at point: Point, failure: MomentumError) { (self.point, self.failure) = (point, failure) }

  /// Takes in the message of the next owner.
  ///
  /// Merge in the order of the owners: if several have failed, the error of the first one counts. So of several owners
  /// with NaN elements under ``NonFinitePolicy/throw``, all throw the error that names the first owner's first one. The
  /// order matters for nothing else.
  public mutating func merge(_ next: NormMessage) {
    guard failure == nil else { return }
    if next.failure != nil { return self = next }
    guard fits(next) else {
      failure = Self.ownersDiffer
      return
    }
    for index in partials.indices { partials[index].merge(next.partials[index]) }
    for index in counts.indices { counts[index] += next.counts[index] }
    elements += next.elements
    unheld.formIntersection(next.unheld)
  }

  /// The error if owners are not in the same place of the same calls.
  static let ownersDiffer = MomentumError.invalidSetting(
    name: "exchange", value: "of owners that differ in step, settings or loss scale",
    expected: "the same calls with the same settings by all owners")

  private func fits(_ other: NormMessage) -> Bool {
    point == other.point && counts.count == other.counts.count && partials.count == other.partials.count
      && zip(partials, other.partials).allSatisfy { $0.isMergeable(with: $1) }
  }
}
