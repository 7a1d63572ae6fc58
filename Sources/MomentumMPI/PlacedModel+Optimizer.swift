#if MPI
  public import Momentum

  extension PlacedModel {
    /// An optimizer of the tensors of this rank, with settings of which the ranks have made sure that they are the same. All
    /// ranks call this.
    ///
    /// ```swift
    /// var optimizer = try model.makeOptimizer(
    ///   rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(1))
    /// let report = try model.step(&optimizer, parameters: parameters, gradients: gradients)
    /// ```
    ///
    /// - Parameters:
    ///   - rule: The update rule.
    ///   - groups: The groups of tensors of the whole model that have a rule or limits of their own; one may have no tensor here.
    ///   - clipping: The clips.
    ///   - nonFinitePolicy: The treatment of NaN and infinite gradients; by default as of an `Optimizer`.
    ///   - averaging: An average of the parameters to keep.
    ///   - lossScale: The factor of the loss.
    ///   - adaptiveLimit: The limit of the norm that depends on past norms.
    ///   - velocityType: The element type that the velocity is stored in; by default that of the parameters.
    ///   - reportsNorms: As ``Optimizer/reportsNorms``.
    ///   - threads: The most threads of this rank; by default ``Communicator/threadsPerRank``.
    /// - Throws: ``DistributedError``, the same on all ranks: settings that differ or that no model takes, a group without a
    ///   tensor in the whole model, limits and rules of whole tensors or of units, and limits of groups, where tensors are sliced.
    public func makeOptimizer(
      rule: some UpdateRule, groups: [ParameterGroup] = [], clipping: GradientClipping = .none,
      nonFinitePolicy: NonFinitePolicy? = nil, averaging: WeightAveraging? = nil, lossScale: LossScale = .none,
      adaptiveLimit: AdaptiveLimit? = nil, velocityType: ElementType? = nil, reportsNorms: Bool = true,
      threads: Int? = nil
    ) throws(DistributedError) -> Optimizer<Scalar> {
      let settings = OptimizerSettings<Scalar>(
        rule: rule, groups: groups, clipping: clipping, nonFinitePolicy: nonFinitePolicy, averaging: averaging,
        lossScale: lossScale, adaptiveLimit: adaptiveLimit, velocityType: velocityType, reportsNorms: reportsNorms,
        threads: threads ?? communicator.threadsPerRank)
      try communicator.requireSame(settings.digest, "the settings")
      let own = try communicator.agree {
        let own = try settings.optimizer(layout, groups: ParameterGroup.ofPart(groups, of: plan.layout))
        try checkTakes(own.needsWholeTensors)
        return Box(own)
      }
      return own.take()
    }

    /// Refuses an optimizer that needs whole tensors where some are sliced.
    func checkTakes(_ needsWholeTensors: Bool) throws(MomentumError) {
      guard needsWholeTensors, plan.hasSlices else { return }
      throw .invalidSetting(
        name: "optimizer", value: "one with a limit or a rule of whole tensors, units or groups",
        expected: "limits and rules of elements or of all tensors where tensors are sliced")
    }
  }
#endif
