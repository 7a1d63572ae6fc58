// Prints how often steps and norms ask for memory once they are running. A step must not, or this exits with 1.
import CAllocationCount
import Momentum

#if canImport(Glibc)
  import Glibc
#endif

/// The allocations of one run, after some to get going: of the best of a few hundreds, because a process does some things once
/// only, whenever it comes to them, such as what a thread needs when it first waits for another one asleep.
func allocations(_ body: () throws -> Void) throws -> Double {
  let runs = 100
  for _ in 0..<10 { try body() }
  var fewest = UInt.max
  for _ in 0..<3 {
    let before = allocation_count()
    for _ in 0..<runs { try body() }
    fewest = min(fewest, UInt(allocation_count() - before))
  }
  return Double(fewest) / Double(runs)
}

/// How a step is taken.
enum Way: String, CaseIterable {
  case plain = "step"
  case tensors = "with norms of tensors"
  case onePass = "in one pass"
  case buffers = "of a buffer a tensor"
}

func stepAllocations(_ layout: ParameterLayout, threads: Int, _ way: Way) throws -> Double {
  var parameters = try ParameterVector<Float>(layout)
  var gradients = try ParameterVector<Float>(layout)
  gradients.fill(0.5)
  parameters.fill(1)
  // Every step clips, but in one pass, which is for gradients that are not.
  let clipping: GradientClipping =
    switch way {
    case .plain, .buffers: try .byGlobalNorm(1)
    case .tensors: try .byNorm(1)
    case .onePass: try .byGlobalNorm(1e9)
    }
  var optimizer = try Optimizer<Float>(
    layout, rule: SGD(learningRate: 0.01, momentum: 0.9), clipping: clipping,
    nonFinitePolicy: way == .onePass ? .propagate : .throw, mode: way == .onePass ? .onePass : .twoPass,
    threads: threads)
  guard way == .buffers else { return try allocations { try optimizer.step(&parameters, gradients: gradients) } }
  let tensors = layout.tensors
  return try parameters.withUnsafeMutableBufferPointer { parameters in
    try gradients.withUnsafeBufferPointer { gradients in
      let parameters = tensors.map { UnsafeMutableBufferPointer(rebasing: parameters[$0.range]) }
      let gradients: [UnsafeBufferPointer<Float>?] = tensors.map { UnsafeBufferPointer(rebasing: gradients[$0.range]) }
      return try allocations { try optimizer.step(parameters: parameters, gradients: gradients) }
    }
  }
}

func normAllocations(_ layout: ParameterLayout, threads: Int) throws -> Double {
  var gradients = try ParameterVector<Float>(layout)
  gradients.fill(0.5)
  return try allocations { _ = try Gradients.norm(of: gradients, threads: threads) }
}

let layouts: [(name: String, layout: ParameterLayout)] = [
  ("one vector of 1000", try ParameterLayout(count: 1000)),
  ("one vector of 1000000", try ParameterLayout(count: 1_000_000)),
  ("100 tensors of 10000", try ParameterLayout((0..<100).map { (name: "\($0)", shape: [10_000]) })),
]
print("allocations a run, after the first ones")
var stepAllocates = false
for (name, layout) in layouts {
  for threads in [1, 2] {
    let steps = try Way.allCases.map { ($0, try stepAllocations(layout, threads: threads, $0)) }
    let norm = try normAllocations(layout, threads: threads)
    let list = steps.map { "\($0.rawValue) \($1)" }.joined(separator: ", ")
    print("\(name), \(threads) threads: \(list); norm \(norm)")
    if steps.contains(where: { $1 > 0 }) { stepAllocates = true }
  }
}
if stepAllocates {
  print("FAILED: steps allocate memory")
  exit(1)
}
