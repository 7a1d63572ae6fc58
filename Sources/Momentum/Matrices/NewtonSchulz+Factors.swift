extension NewtonSchulz {
  /// The factors of Keller Jordan's Muon in every step. Singular values from about 0.01 on come to lie in 0.7...1.2.
  ///
  /// - Parameters:
  ///   - steps: The number of steps, at least 1.
  ///   - restarts: See ``restarts``; by default after steps 3, 5 and so on, where they are needed. One after the third of
  ///     five steps keeps as many digits as any two do.
  public static func jordan(steps: Int = 5, restarts: [Int]? = nil) -> NewtonSchulz {
    let factors = Array(repeating: Step(3.4445, -4.7750, 2.0315), count: max(steps, 0))
    return NewtonSchulz(
      factors, restarts: restarts ?? oddSteps(before: steps), restartUse: restarts == nil ? .whereNeeded : .always)
  }

  /// The factors of Polar Express (Amsel, Persson, Musco and Gower, arXiv:2505.16932): those of each step are the best
  /// ones after the steps before it, so that the result converges to the orthogonal matrix.
  ///
  /// - Parameters:
  ///   - steps: The number of steps, at least 1.
  ///   - restarts: See ``restarts``; by default after steps 2, 3, 5, 7 and so on, on every matrix: the later
  ///     ones mend what earlier steps have rounded.
  public static func polarExpress(steps: Int = 5, restarts: [Int]? = nil) -> NewtonSchulz {
    // All but the last of the list are made for singular values up to 1.01, so that rounding does not take them out of
    // the range in which the next step converges.
    let safety = 1.01
    let safe = polarExpressSteps.map { step in
      let square = safety * safety
      return Step(step.a / safety, step.b / (safety * square), step.c / (safety * square * square))
    }
    let factors = (0..<max(steps, 0)).map { $0 < safe.count ? safe[$0] : Step(1.875, -1.25, 0.375) }
    return NewtonSchulz(factors, restarts: restarts)
  }

  private static let polarExpressSteps = [
    Step(8.28721201814563, -23.595886519098837, 17.300387312530933),
    Step(4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    Step(3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    Step(3.3184196573706015, -2.488488024314874, 0.51004894012372),
    Step(2.300652019954817, -1.6689039845749493, 0.4188073119525673),
    Step(1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    Step(1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
  ]

  /// Five steps with the factors of Dion, which Optax offers by that name, and restarts after steps 2 and 3 where they are
  /// needed.
  public static var dion: NewtonSchulz {
    NewtonSchulz(
      [
        Step(4.0848, -6.8946, 2.9270), Step(3.9505, -6.3029, 2.6377), Step(3.7418, -5.5913, 2.3037),
        Step(2.8769, -3.1427, 1.2046), Step(2.8366, -3.0525, 1.2012),
      ], restartUse: .whereNeeded)
  }
}
