public import Momentum
internal import XCTest

/// An optimizer and the memory it works on: parameters between guards, gradients on pages that cannot be written.
public struct EngineRun<S: BLASScalar>: ~Copyable {
  /// How tensors lie in memory.
  public enum Storage: CaseIterable {
    /// One vector.
    case flat
    /// A buffer a tensor.
    case separate
  }

  public var optimizer: Optimizer<S>
  public let storage: Storage
  public let shift: Int
  private let counts: [Int]
  private let memory: [GuardedMemory<S>]

  public init(
    _ parameters: [[S]], rule: any UpdateRule, groups: [ParameterGroup] = [], clipping: GradientClipping = .none,
    policy: NonFinitePolicy? = nil, mode: StepMode = .twoPass, averaging: WeightAveraging? = nil, threads: Int? = nil,
    storage: Storage = .separate, shift: Int = 0
  ) throws {
    counts = parameters.map(\.count)
    (self.storage, self.shift) = (storage, shift)
    let layout = try ParameterLayout(counts.enumerated().map { ("tensor \($0)", [$1]) })
    optimizer = try Optimizer(
      layout, rule: rule, groups: groups, clipping: clipping, nonFinitePolicy: policy, mode: mode,
      averaging: averaging, threads: threads)
    switch storage {
    case .flat: memory = [GuardedMemory(parameters.flatMap { $0 }, shift: shift)]
    case .separate: memory = parameters.enumerated().map { GuardedMemory($1, shift: shift + $0 % 5) }
    }
  }

  /// Takes a step. In flat storage every tensor needs a gradient.
  @discardableResult
  public mutating func step(_ gradients: [[S]?]) throws -> StepReport {
    switch storage {
    case .flat:
      let gradient = GuardedMemory(gradients.flatMap { $0! }, shift: shift)
      gradient.forbidWriting()
      return try optimizer.step(parameters: memory[0].buffer, gradients: gradient.readOnlyBuffer)
    case .separate:
      let buffers = gradients.enumerated().map { index, gradient in
        gradient.map { GuardedMemory($0, shift: shift + index % 3) }
      }
      for buffer in buffers { buffer?.forbidWriting() }
      defer { withExtendedLifetime(buffers) {} }
      return try optimizer.step(parameters: memory.map(\.buffer), gradients: buffers.map { $0?.readOnlyBuffer })
    }
  }

  public var parameters: [[S]] {
    switch storage {
    case .flat: split(memory[0].elements)
    case .separate: memory.map(\.elements)
    }
  }

  /// The velocity as the state describes it, without folding it.
  public var velocity: [[Double]] {
    let state = optimizer.state()
    guard !state.direction.isEmpty else { return counts.map { Array(repeating: 0, count: $0) } }
    return zip(split(state.direction), state.velocities).map { direction, velocity in
      direction.map { Double($0) * velocity.scale }
    }
  }

  public var guardsAreIntact: Bool { memory.allSatisfy(\.guardsAreIntact) }

  private func split(_ flat: [S]) -> [[S]] {
    var rest = flat[...]
    return counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
  }
}

/// Clips copies of gradients in place, between guards.
public func clipped<S: BLASScalar>(
  _ gradients: [[S]], by clipping: GradientClipping, convention: Convention = .native,
  policy: NonFinitePolicy? = nil, threads: Int? = nil, shift: Int = 0, file: StaticString = #filePath,
  line: UInt = #line
) throws -> (elements: [[S]], report: ClipReport) {
  let memory = gradients.map { GuardedMemory($0, shift: shift) }
  let report = try Gradients.clip(
    memory.map(\.buffer), by: clipping, convention: convention, nonFinitePolicy: policy, threads: threads)
  XCTAssertTrue(memory.allSatisfy(\.guardsAreIntact), "wrote outside a gradient", file: file, line: line)
  return (memory.map(\.elements), report)
}

/// The norm of copies of tensors.
public func norm<S: BLASScalar>(
  _ tensors: [[S]], type: NormType = .l2, algorithm: NormAlgorithm = .blas, threads: Int? = nil, shift: Int = 0
) throws -> NormReport {
  let memory = tensors.map { GuardedMemory($0, shift: shift) }
  for buffer in memory { buffer.forbidWriting() }
  defer { withExtendedLifetime(memory) {} }
  return try Gradients.norm(of: memory.map(\.readOnlyBuffer), type: type, algorithm: algorithm, threads: threads)
}

/// A sentence for failures.
public func describe(_ rule: SGD, _ clipping: GradientClipping) -> String {
  "\(rule); \(clipping)"
}
