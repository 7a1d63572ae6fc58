import Momentum
import MomentumTestSupport
import Synchronization
import XCTest

/// The velocity in the caller's memory. The reference is an optimizer with memory of its own: same bits.
final class PlacedVelocityTests: XCTestCase {
  private let counts = [2500, 0, 33]

  func testStepsAreTheSameAndTheMemoryHoldsTheVelocity() throws {
    for storage in EngineRun<Float>.Storage.allCases {
      var random = SeededGenerator(seed: 91)
      let start: [[Float]] = counts.map { random.numbers($0) }
      let rule = try SGD(learningRate: 0.1, momentum: 0.9)
      var own = try EngineRun<Float>(start, rule: rule, clipping: .byGlobalNorm(20), storage: storage)
      var placed = try EngineRun<Float>(start, rule: rule, clipping: .byGlobalNorm(20), storage: storage)
      let (first, second) = (GuardedMemory<Float>(random.numbers(2533)), GuardedMemory<Float>(random.numbers(2533)))
      try placed.optimizer.placeVelocity(in: first.buffer)
      XCTAssertEqual(first.elements, [Float](repeating: 0, count: 2533), "no velocity yet")
      for step in 0..<5 {
        let gradient: [[Float]] = counts.map { random.numbers($0) }
        XCTAssertEqual(try own.step(gradient), try placed.step(gradient))
        for (x, y) in zip(own.parameters, placed.parameters) { assertSameBits(x, y, seed: 91) }
        // In the middle of the run it moves on, with what it holds.
        if step == 2 { try placed.optimizer.placeVelocity(in: second.buffer) }
      }
      XCTAssertEqual(own.optimizer.state(), placed.optimizer.state())
      assertSameBits(own.optimizer.state().direction, second.elements, seed: 91)
      XCTAssertTrue(first.guardsAreIntact && second.guardsAreIntact)
    }
  }

  func testAStateIsTakenIntoTheMemory() throws {
    var run = try EngineRun<Double>([[1, 2], [3]], rule: SGD(learningRate: 0.5, momentum: 0.5))
    let memory = GuardedMemory([9.0, 9, 9])
    try run.optimizer.placeVelocity(in: memory.buffer)
    let empty = run.optimizer.state()
    try run.step([[1, 2], [4]])
    let state = run.optimizer.state()
    try run.step([[1, 2], [4]])
    try run.optimizer.restore(state)
    XCTAssertEqual(memory.elements, state.direction)
    run.optimizer.foldVelocity()
    XCTAssertEqual(memory.elements, [1, 2, 4])
    run.optimizer.resetVelocity()
    XCTAssertEqual(memory.elements, [0, 0, 0])
    try run.optimizer.restore(state)
    var fresh = empty
    fresh.direction = []
    try run.optimizer.restore(fresh)
    XCTAssertEqual(memory.elements, [0, 0, 0])
    XCTAssertFalse(run.optimizer.hasVelocity(ofTensor: 0))
  }

  func testTheMemoryIsReleasedOnce() throws {
    let releases = Mutex([String]())
    let (first, second) = (GuardedMemory([0.0]), GuardedMemory([0.0]))
    do {
      var optimizer = try Optimizer<Double>(ParameterLayout(count: 1), rule: SGD(learningRate: 1, momentum: 0.5))
      try optimizer.placeVelocity(in: first.buffer) { _ in releases.withLock { $0.append("first") } }
      XCTAssertEqual(releases.withLock { $0 }, [])
      XCTAssertThrowsError(
        try optimizer.placeVelocity(in: first.buffer) { _ in releases.withLock { $0.append("refused") } })
      try optimizer.placeVelocity(in: second.buffer) { _ in releases.withLock { $0.append("second") } }
      XCTAssertEqual(releases.withLock { $0 }, ["first"])
      try optimizer.restore(OptimizerState(optimizer.layout))
      XCTAssertEqual(releases.withLock { $0 }, ["first"], "a state does not take the memory away")
    }
    XCTAssertEqual(releases.withLock { $0 }, ["first", "second"])
    withExtendedLifetime((first, second)) {}
  }

  func testWhatIsRefused() throws {
    let layout = try ParameterLayout([("a", [2]), ("b", [1])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1, momentum: 0.5))
    let memory = GuardedMemory<Float>([0, 0, 0, 0, 0])
    let all = memory.buffer
    func part(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
      UnsafeMutableBufferPointer(rebasing: all[range])
    }
    expect("memory of the velocity has count 2; expected 3") { try optimizer.placeVelocity(in: part(0..<2)) }
    try optimizer.placeVelocity(in: part(0..<3))
    expect("velocity and memory that is to hold it overlap in memory; expected separate buffers") {
      try optimizer.placeVelocity(in: part(1..<4))
    }
    let others = [GuardedMemory<Float>([1, 1, 1]), GuardedMemory<Float>([1])]
    let (whole, short) = (others[0].buffer, others[1].buffer)
    expect("velocity and parameters overlap in memory; expected separate buffers") {
      try optimizer.step(parameters: part(2..<5), gradients: UnsafeBufferPointer(whole))
    }
    expect("velocity and gradients overlap in memory; expected separate buffers") {
      try optimizer.step(parameters: whole, gradients: UnsafeBufferPointer(part(2..<5)))
    }
    let pair = UnsafeMutableBufferPointer(rebasing: whole[..<2])
    expect("velocity of tensor 'b' and parameters of tensor 'b' overlap in memory; expected separate buffers") {
      try optimizer.step(
        parameters: [pair, part(2..<3)], gradients: [UnsafeBufferPointer(part(3..<5)), UnsafeBufferPointer(short)])
    }
    var sum = try GradientAccumulator<Float>(layout)
    try sum.add(UnsafeBufferPointer(whole))
    expect("velocity and parameters overlap in memory; expected separate buffers") {
      try optimizer.step(parameters: part(2..<5), gradients: &sum)
    }
    expect("velocity of tensor 'b' and parameters of tensor 'b' overlap in memory; expected separate buffers") {
      try optimizer.step(parameters: [pair, part(2..<3)], gradients: &sum)
    }
    XCTAssertEqual(optimizer.stepCount, 0)
    XCTAssertEqual(memory.elements, [0, 0, 0, 0, 0])
    withExtendedLifetime(others) {}
  }

  func testHalvesInTheMemoryAreRefused() throws {
    let layout = try ParameterLayout([("a", [2])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1, momentum: 0.5))
    let (memory, parameters) = (GuardedMemory<Float>([0, 0]), GuardedMemory<Float>([1, 1]))
    let halves = UnsafeBufferPointer(
      start: UnsafeRawPointer(memory.buffer.baseAddress!).assumingMemoryBound(to: BFloat16.self), count: 2)
    try optimizer.step(parameters: [parameters.buffer], gradients: [halves])
    try optimizer.placeVelocity(in: memory.buffer)
    expect("velocity and gradients overlap in memory; expected separate buffers") {
      try optimizer.step(parameters: parameters.buffer, gradients: halves)
    }
    XCTAssertThrowsError(try optimizer.step(parameters: [parameters.buffer], gradients: [halves])) {
      guard case MomentumError.overlap = $0 else { return XCTFail("\($0)") }
    }
    XCTAssertEqual(optimizer.stepCount, 1)
  }

  func testBuffersOfTheStepBeforeAreCheckedAgainAfterTheVelocityHasMoved() throws {
    let layout = try ParameterLayout([("a", [1])])
    var optimizer = try Optimizer<Double>(layout, rule: SGD(learningRate: 1, momentum: 0.5))
    let (parameters, gradient) = (GuardedMemory([1.0]), GuardedMemory([1.0]))
    try optimizer.step(parameters: [parameters.buffer], gradients: [gradient.readOnlyBuffer])
    try optimizer.placeVelocity(in: gradient.buffer)
    XCTAssertThrowsError(try optimizer.step(parameters: [parameters.buffer], gradients: [gradient.readOnlyBuffer])) {
      guard case MomentumError.overlap(let first, let second) = $0 else { return XCTFail("\($0)") }
      XCTAssertEqual(Set([first, second]), ["gradient of tensor 'a'", "velocity of tensor 'a'"])
    }
  }
}
