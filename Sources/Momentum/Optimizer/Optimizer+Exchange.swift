// Steps of one owner of the tensors, who meets the others between measuring and deciding.
extension Optimizer {
  /// Takes one step of some of a model's tensors, together with the owners of the others; see ``NormExchange``.
  ///
  /// Each owner has an optimizer of its own tensors. Settings must be equal but for the groups' tensors: a group
  /// without a tensor here must be ``ParameterGroup/mayBeEmpty``. Norms, counts and decisions are those of all tensors
  /// together: parameters and velocities have the bits that one optimizer of all tensors would give them, and the
  /// report is the same for all owners, but for what each has lost when it rounded: ``ClipReport/overflowedElements`` and
  /// ``StepReport/lostUpdates`` are those of one owner, and add up.
  ///
  /// - Parameters:
  ///   - parameters: One buffer for each tensor, in the order of the layout.
  ///   - gradients: Likewise; `nil` leaves a tensor alone.
  ///   - exchange: Where the owners meet.
  /// - Returns: A report of what was measured and changed, of all owners in the sense above.
  /// - Throws: As
  ///   ``step(parameters:gradients:)-([UnsafeMutableBufferPointer<Scalar>],[UnsafeBufferPointer<Scalar>?])``, and the
  ///   errors of other owners: if one throws, all do, and no owner has written anything. Also in
  ///   ``StepMode/onePass``, which writes before the norm is known.
  @discardableResult
  public mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], gradients: [UnsafeBufferPointer<Scalar>?],
    exchange: some NormExchange
  ) throws(MomentumError) -> StepReport {
    try step(parameters: parameters, gradients: gradients, divisor: 1, exchange: exchange)
  }

  /// The same with sums of gradients.
  ///
  /// - Parameter divisor: The number that the gradients are divided by, at least 1.
  package mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], gradients: [UnsafeBufferPointer<Scalar>?], divisor: Int,
    exchange: some NormExchange
  ) throws(MomentumError) -> StepReport {
    let meetings = NormMeetings(exchange, step: stepCount)
    do throws(MomentumError) {
      return try step(parameters, gradients, ScaledDouble(Double(divisor)), meetings)
    } catch {
      throw meetings.failure(error)
    }
  }

  // The type of the exchange is not known here, so that the step can be compiled for each element type.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private mutating func step(
    _ parameters: [UnsafeMutableBufferPointer<Scalar>], _ gradients: [UnsafeBufferPointer<Scalar>?],
    _ divisor: ScaledDouble, _ meetings: NormMeetings
  ) throws(MomentumError) -> StepReport {
    try bindLists(parameters, gradients.count) { gradients[$0] }
    return try takeStep(divisor: divisor, isMeasured: false, meetings)
  }

  /// Takes one step with accumulated gradients, together with the owners of the other tensors; see
  /// ``step(parameters:gradients:exchange:)-([UnsafeMutableBufferPointer<Scalar>],[UnsafeBufferPointer<Scalar>?],_)``.
  /// The weights of all owners must have the same sum.
  @discardableResult
  public mutating func step(
    parameters: [UnsafeMutableBufferPointer<Scalar>], gradients: inout GradientAccumulator<Scalar>,
    exchange: some NormExchange
  ) throws(MomentumError) -> StepReport {
    let meetings = NormMeetings(exchange, step: stepCount)
    do throws(MomentumError) {
      return try step(parameters: parameters, accumulated: &gradients, meetings)
    } catch {
      throw meetings.failure(error)
    }
  }
}

// What the owner of a part must know of the whole.
extension Optimizer {
  /// Whether a limit, or a rule, is one of tensors, of units or of a group, so that a tensor cannot be cut over several
  /// owners.
  package var needsWholeTensors: Bool {
    // The clipped norm of a group is one of its tensors' norms, each of which is rounded.
    let settings = clipSettings
    return settings.limitsTensors || settings.limitsUnits || settings.groups.contains { $0?.globalNorm != nil }
      || ([rule] + groups.compactMap(\.rule)).contains { $0.units != nil || $0.transform != nil }
  }
}

extension ParameterGroup {
  /// The groups of the owner of a part of a model. A group needs a tensor of the model, but none of the part.
  package static func ofPart(
    _ groups: [ParameterGroup], of whole: ParameterLayout
  ) throws(MomentumError) -> [ParameterGroup] {
    _ = try membership(groups, of: whole)
    var groups = groups
    for index in groups.indices { groups[index].mayBeEmpty = true }
    return groups
  }
}
