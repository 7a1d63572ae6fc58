// Steps with sums of micro-batches, of tensors that are stored in different ways.
extension Optimizer where Scalar == Float {
  /// Takes one step of tensors that are stored in any way with the mean, or the sum, of accumulated gradients, and starts a
  /// new accumulation.
  ///
  /// The bits are those of the step of `Float`s with the same sum, as far as a tensor has them: a copy, or a parameter alone,
  /// is rounded as its ``ParameterBuffer`` says.
  ///
  /// - Parameters:
  ///   - parameters: One buffer for each tensor, updated in place.
  ///   - gradients: The sum of the gradients, of the optimizer's ``layout``; empty after the step, also after a skipped one. If
  ///     an error is thrown, it stays as it was.
  /// - Returns: A report of what was measured and changed; norms are those of the mean.
  /// - Throws: As ``step(parameters:gradients:)-([ParameterBuffer],[TensorBuffer?])``; ``MomentumError/invalidSetting(_:)`` if
  ///   nothing has been added, or only with the weight 0.
  @_disfavoredOverload
  @discardableResult
  public mutating func step(
    parameters: [ParameterBuffer], gradients: inout GradientAccumulator<Float>
  ) throws(MomentumError) -> StepReport {
    try step(parameters, accumulated: &gradients, nil)
  }

  /// Takes one step of some of a model's tensors with accumulated gradients, together with the owners of the others; see
  /// ``NormExchange``. The weights of all owners must have the same sum.
  @_disfavoredOverload
  @discardableResult
  public mutating func step(
    parameters: [ParameterBuffer], gradients: inout GradientAccumulator<Float>, exchange: some NormExchange
  ) throws(MomentumError) -> StepReport {
    let meetings = NormMeetings(exchange, step: stepCount)
    do throws(MomentumError) {
      return try step(parameters, accumulated: &gradients, meetings)
    } catch {
      throw meetings.failure(error)
    }
  }

  private mutating func step(
    _ parameters: [ParameterBuffer], accumulated gradients: inout GradientAccumulator<Float>, _ meetings: NormMeetings?
  ) throws(MomentumError) -> StepReport {
    try gradients.checkStep(of: layout)
    var sums: [TensorBuffer?] = []
    for (index, tensor) in layout.tensors.enumerated() {
      sums.append(
        gradients.sum(ofTensor: index).map { TensorBuffer(UnsafeBufferPointer(start: $0, count: tensor.count)) })
    }
    let operands = try bindTensors(parameters, sums)
    let isMeasured = try takeSums(of: gradients)
    let report = try takeStep(operands, divisor: gradients.divisor, isMeasured: isMeasured, meetings)
    gradients.reset()
    return report
  }
}
