import Momentum
import MomentumTestSupport
import XCTest

/// Every refusal says what, where, and what was expected; and nothing has been written when it comes.
final class ErrorTests: XCTestCase {
  // MARK: Settings

  func testSettingsOfTheRule() {
    for value in [-1, Double.nan, .infinity] {
      expect("learningRate is \(value); expected a finite number >= 0") { try SGD(learningRate: value) }
      expect("momentum is \(value); expected a finite number >= 0") { try SGD(learningRate: 1, momentum: value) }
      expect("weightDecay is \(value); expected a finite number >= 0") {
        try SGD(learningRate: 1, weightDecay: value)
      }
    }
    for value in [-0.1, 1.1, .nan] {
      expect("dampening is \(value); expected a number in 0...1") { try SGD(learningRate: 1, dampening: value) }
    }
    for convention in [Convention.keras, .optax] {
      expect("dampening is 0.5; expected 0 under the \(convention.rawValue) convention") {
        try SGD(learningRate: 1, momentum: 0.9, dampening: 0.5, convention: convention)
      }
      XCTAssertNoThrow(try SGD(learningRate: 1, nesterov: true, convention: convention), "plain descent")
    }
    expect("momentum is 1.5; expected at most 1 under the keras convention") {
      try SGD(learningRate: 1, momentum: 1.5, convention: .keras)
    }
    for convention in [Convention.native, .pytorch, .mlx] {
      XCTAssertNoThrow(try SGD(learningRate: 1, momentum: 1.5, convention: convention))
      expect("nesterov is true with momentum 0.0 and dampening 0.0; expected momentum > 0 and dampening 0") {
        try SGD(learningRate: 1, nesterov: true, convention: convention)
      }
      expect("nesterov is true with momentum 0.9 and dampening 0.1; expected momentum > 0 and dampening 0") {
        try SGD(learningRate: 1, momentum: 0.9, dampening: 0.1, nesterov: true, convention: convention)
      }
    }
  }

  func testSettingsOfClipping() {
    expect("clip value is -1.0; expected a number >= 0") { try GradientClipping.byValue(-1) }
    expect("clip value is nan; expected a number >= 0") { try GradientClipping.byValue(.nan) }
    for bound in [Double.infinity, -.infinity] {
      expect("clip value is \(bound)...\(bound); expected a range that holds a finite number") {
        try GradientClipping(value: bound...bound)
      }
    }
    for (name, make) in [
      ("clip norm", { try GradientClipping.byNorm($0) }),
      ("clip global norm", { try GradientClipping.byGlobalNorm($0) }),
    ] as [(String, (Double) throws -> GradientClipping)] {
      for limit in [-1, Double.nan, -Double.infinity] {
        expect("\(name) is \(limit); expected a number >= 0; a negative limit would flip the sign of the gradient") {
          try make(limit)
        }
      }
    }
    for order in [0, -1, Double.nan, -Double.infinity] {
      expect("normType is \(order); expected a positive number or inf") {
        try GradientClipping.byNorm(1, type: .p(order))
      }
    }
    expect("normType is -2.0; expected a number >= 0 or inf") { try NormType(order: -2) }
    expect("normType is -2.0; expected a number >= 0 or inf") { try norm([[1.0]], type: .p(-2)) }
  }

  func testALimitAssignedLaterIsCheckedUnderEveryConvention() throws {
    let fates: [Convention: (negative: String, nan: String)] = [
      .native: (
        "a negative limit would flip the sign of the gradient", "a negative limit would flip the sign of the gradient"
      ),
      .pytorch: ("PyTorch would flip the sign of the gradient", "PyTorch would make every element NaN"),
      .keras: ("Keras would silently not clip", "Keras would silently not clip"),
      .optax: ("Optax would flip the sign of the gradient", "Optax would make every element NaN"),
      .mlx: ("mlx-swift would flip the sign of the gradient", "MLX would make every element NaN"),
    ]
    for convention in Convention.allCases {
      for limit in [-1, Double.nan] {
        var clipping = GradientClipping.none
        clipping.whole = .norm(limit)
        let fate = limit.isNaN ? fates[convention]!.nan : fates[convention]!.negative
        let text = "clip global norm is \(limit); expected a number >= 0; \(fate)"
        expect(text) { try clipped([[1.0]], by: clipping, convention: convention) }
        try keepsEverything(convention, text) { $0.clipping = clipping }
      }
    }
  }

  func testKerasTakesOneKindOfClip() throws {
    let text = "clipping is 2 kinds at once; expected at most one under the keras convention"
    let clipping = try GradientClipping(value: -1...1, whole: .norm(1))
    expect(text) { try clipped([[1.0]], by: clipping, convention: .keras) }
    try keepsEverything(.keras, text) { $0.clipping = clipping }
  }

  func testARuleChangedToSomethingInvalidIsRefused() throws {
    try keepsEverything(.native, "learningRate is -1.0; expected a finite number >= 0") {
      var rule = $0.rule as! SGD
      rule.learningRate = -1
      $0.rule = rule
    }
  }

  func testThreads() throws {
    let layout = try ParameterLayout(count: 1)
    for threads in [0, -1] {
      expect("threads is \(threads); expected at least 1") {
        _ = try Optimizer<Float>(layout, rule: SGD(learningRate: 1), threads: threads)
      }
      expect("threads is \(threads); expected at least 1") {
        _ = try ParameterVector<Float>(layout, threads: threads)
      }
    }
  }

  // MARK: Layouts and memory

  func testLayouts() throws {
    expect("tensor 'a' occurs twice; expected unique names") { try ParameterLayout([("a", [1]), ("a", [2])]) }
    expect("tensor 'a' has shape [2, -1]; expected non-negative extents whose product fits in Int") {
      try ParameterLayout([("a", [2, -1])])
    }
    expect("tensor 'b' has shape [\(Int.max)]; expected non-negative extents whose product fits in Int") {
      try ParameterLayout([("a", [1]), ("b", [Int.max])])
    }
    expect("tensor 'a' has shape [\(Int.max), 2]; expected non-negative extents whose product fits in Int") {
      try ParameterLayout([("a", [Int.max, 2])])
    }
    expect("no tensor named 'x' in the layout") { try ParameterLayout(count: 1).tensor(named: "x") }
    expect("could not allocate \(Int.max) bytes") {
      _ = try ParameterVector<Double>(ParameterLayout(count: Int.max))
    }
    expect("could not allocate \(1 << 61) bytes") { _ = try ParameterVector<Float>(ParameterLayout(count: 1 << 59)) }
  }

  func testCountsOfAStep() throws {
    let layout = try ParameterLayout([("a", [2]), ("b", [1])])
    let (two, three) = (GuardedMemory<Float>([1, 2]), GuardedMemory<Float>([1, 2, 3]))
    let other = GuardedMemory<Float>([4, 5, 6])
    for memory in [two, three, other] { memory.forbidWriting() }
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    expect("parameters has count 2; expected 3") {
      try optimizer.step(parameters: two.buffer, gradients: three.readOnlyBuffer)
    }
    expect("gradients has count 2; expected 3") {
      try optimizer.step(parameters: three.buffer, gradients: two.readOnlyBuffer)
    }
    expect("gradients and parameters overlap in memory; expected separate buffers") {
      try optimizer.step(parameters: three.buffer, gradients: three.readOnlyBuffer)
    }
    expect("list of parameters has count 1; expected 2") {
      try optimizer.step(parameters: [two.buffer], gradients: [nil, nil])
    }
    expect("list of gradients has count 0; expected 2") {
      try optimizer.step(parameters: [two.buffer, two.buffer], gradients: [])
    }
    expect("parameters of tensor 'b' has count 2; expected 1") {
      try optimizer.step(parameters: [two.buffer, two.buffer], gradients: [nil, nil])
    }
    let one = UnsafeMutableBufferPointer(rebasing: other.buffer[..<1])
    expect("gradient of tensor 'a' has count 3; expected 2") {
      try optimizer.step(parameters: [two.buffer, one], gradients: [three.readOnlyBuffer, nil])
    }
    let twice = UnsafeBufferPointer(rebasing: three.readOnlyBuffer[1...])
    let inside = UnsafeBufferPointer(rebasing: three.readOnlyBuffer[1..<2])
    expect("gradient of tensor 'a' and gradient of tensor 'b' overlap in memory; expected separate buffers") {
      try optimizer.step(parameters: [two.buffer, one], gradients: [twice, inside])
    }
    expect("parameters of tensor 'a' and parameters of tensor 'b' overlap in memory; expected separate buffers") {
      try optimizer.step(
        parameters: [two.buffer, UnsafeMutableBufferPointer(rebasing: two.buffer[1...])], gradients: [nil, nil])
    }
    XCTAssertEqual(optimizer.stepCount, 0)
  }

  func testClipsOfOverlappingTensors() {
    let memory = GuardedMemory<Double>([3, 4, 5])
    memory.forbidWriting()
    expect("gradient of tensor '0' and gradient of tensor '1' overlap in memory; expected separate buffers") {
      try Gradients.clip(
        [memory.buffer, UnsafeMutableBufferPointer(rebasing: memory.buffer[2...])], by: .byGlobalNorm(1))
    }
    expect("names has count 2; expected 1") {
      try Gradients.clip([memory.buffer], by: .byGlobalNorm(1), names: ["a", "b"])
    }
    let bad = GuardedMemory<Double>([3, -.infinity])
    bad.forbidWriting()
    expect("gradient of tensor 'w' is -inf at index 1; expected finite values") {
      try Gradients.clip([memory.buffer, bad.buffer], by: .byGlobalNorm(1), names: ["v", "w"])
    }
    expect("gradient of tensor '0' is -inf at index 1; expected finite values") {
      try Gradients.clip([bad.buffer], by: .byValue(1))
    }
  }

  func testCountsOfPartialNorms() throws {
    let words = try [3.0, .nan].withUnsafeBufferPointer { try NormPartial(of: $0).words }
    let count = NormPartial.wordCount
    for position in [count - 3, count - 2] {
      for (value, isFine) in [(1 << 53, true), (1 << 53 + 1, false), (UInt64(Int.max), false), (.max, false)] {
        var words = words
        words[position] = value
        if isFine {
          var partial = try NormPartial(.l2, words: words)
          partial.merge(try NormPartial(.l2, words: words))
          XCTAssertEqual(partial.words[position], 1 << 54)
        } else {
          expect("words is not those of a partial norm; expected the words of partial norms") {
            try NormPartial(.l2, words: words)
          }
        }
      }
    }
  }

  // MARK: State

  func testStates() throws {
    var run = try EngineRun<Double>([[1, 2], [3]], rule: SGD(learningRate: 1, momentum: 0.5))
    try run.step([[1, 2], [3]])
    let good = run.optimizer.state()
    func refuses(_ text: String, _ change: (inout OptimizerState<Double>) -> Void, line: UInt = #line) {
      var state = good
      state.stepCount = 99
      change(&state)
      expect(text, line: line) { try run.optimizer.restore(state) }
      XCTAssertEqual(run.optimizer.state(), good, line: line)
    }
    refuses("velocities has count 1; expected 2") { $0.velocities.removeLast() }
    refuses("averages has count 0; expected 2") { $0.averages = [] }
    refuses("direction has count 2; expected 3") { $0.direction = [1, 2] }
    for scale in [0, -1, .nan, .infinity] {
      refuses("velocity scale is \(scale); expected a positive finite number") { $0.velocities[1].scale = scale }
      refuses("average scale is \(scale); expected a positive finite number") { $0.averages[1].scale = scale }
    }
    refuses("step count is -1; expected at least 0") { $0.stepCount = -1 }
    refuses("steps averaged is -1; expected at least 0") { $0.averages[0].count = -1 }
    for (count, text) in [(1 << 53 + 1, "9007199254740993"), (Int.max, "9223372036854775807")] {
      refuses("step count is \(text); expected at most 2^53") { $0.stepCount = count }
      refuses("steps averaged is \(text); expected at most 2^53") {
        ($0.average, $0.averages[1].count) = ([1, 2, 3], count)
      }
      expect("step count is \(text); expected at most 2^53") {
        try run.optimizer.resume(stepCount: count, lastStepClipped: false)
      }
      expect("steps averaged is \(text); expected at most 2^53") {
        try [3.0].withUnsafeBufferPointer { try run.optimizer.setAverage(ofTensor: 1, $0, count: count) }
      }
    }
    refuses("velocity of tensor 'tensor 0' is nan at index 1; expected finite values") { $0.direction[1] = .nan }
    refuses("velocity of tensor 'tensor 1' is -inf at index 0; expected finite values") {
      ($0.direction[2], $0.velocities[1].scale) = (-1e308, 4)
    }
    refuses("average of tensor 'tensor 1' is inf at index 0; expected finite values") {
      $0.average = [1, 2, .infinity]
    }
    expect("velocity of tensor 'tensor 1' is nan at index 0; expected finite values") {
      try [Double.nan].withUnsafeBufferPointer { try run.optimizer.setVelocity(ofTensor: 1, $0) }
    }
    expect("average of tensor 'tensor 0' is -inf at index 1; expected finite values") {
      try [1, -.infinity].withUnsafeBufferPointer { try run.optimizer.setAverage(ofTensor: 0, $0, count: 1) }
    }
    refuses("average has count 0; expected 3") { $0.averages[0].count = 1 }
    expect("step count is -2; expected at least 0") { try run.optimizer.resume(stepCount: -2, lastStepClipped: false) }
    expect("velocity of tensor 'tensor 0' has count 1; expected 2") {
      try [1.0].withUnsafeBufferPointer { try run.optimizer.setVelocity(ofTensor: 0, $0) }
    }
    XCTAssertEqual(run.optimizer.state(), good)
  }

  // MARK: Helpers

  /// Takes a good step, spoils the optimizer, and sees that the next step is refused without a trace.
  private func keepsEverything(
    _ convention: Convention, _ text: String, line: UInt = #line,
    _ spoil: (inout Optimizer<Double>) -> Void
  ) throws {
    var run = try EngineRun<Double>(
      [[1, 2], [-0.0]], rule: SGD(learningRate: 0.5, momentum: 0.5, convention: convention))
    try run.step([[1, 2], [3]])
    let (parameters, state) = (run.parameters, run.optimizer.state())
    spoil(&run.optimizer)
    XCTAssertThrowsError(try run.step([[1, 2], [3]]), line: line) {
      XCTAssertEqual("\($0)", text, line: line)
    }
    XCTAssertEqual(run.parameters, parameters, line: line)
    XCTAssertEqual(run.optimizer.state(), state, line: line)
  }
}
