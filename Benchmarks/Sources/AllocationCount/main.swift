// Prints how often steps and norms ask for memory once they are running. A step must not, or this exits with 1.
import CAllocationCount
import Momentum

#if canImport(Glibc)
  import Glibc
#endif

/// The allocations of one run, after some to get going.
func allocations(_ body: () throws -> Void) throws -> Double {
  let runs = 100
  for _ in 0..<10 { try body() }
  let before = allocation_count()
  for _ in 0..<runs { try body() }
  return Double(allocation_count() - before) / Double(runs)
}

func stepAllocations(_ layout: ParameterLayout, threads: Int, clipping: GradientClipping) throws -> Double {
  var parameters = try ParameterVector<Float>(layout)
  var gradients = try ParameterVector<Float>(layout)
  gradients.fill(0.5)
  parameters.fill(1)
  var optimizer = try Optimizer<Float>(
    layout, rule: SGD(learningRate: 0.01, momentum: 0.9), clipping: clipping, threads: threads)
  return try allocations { try optimizer.step(&parameters, gradients: gradients) }
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
    let step = try stepAllocations(layout, threads: threads, clipping: .byGlobalNorm(1))
    let perTensor = try stepAllocations(layout, threads: threads, clipping: .byNorm(1))
    let norm = try normAllocations(layout, threads: threads)
    print("\(name), \(threads) threads: step \(step), step with norms of tensors \(perTensor), norm \(norm)")
    if step + perTensor > 0 { stepAllocates = true }
  }
}
if stepAllocates {
  print("FAILED: steps allocate memory")
  exit(1)
}
