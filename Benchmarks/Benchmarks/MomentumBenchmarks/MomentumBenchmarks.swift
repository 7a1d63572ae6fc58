import Benchmark
import Momentum

// Wall clock and throughput only, and said for each benchmark: what else the framework measures by default reads 0 here or
// ticks too coarsely. Vectors are warm: each benchmark runs on the same memory again and again.
let benchmarks: @Sendable () -> Void = {
  let configuration = Benchmark.Configuration(
    metrics: [.wallClock, .throughput], warmupIterations: 5, maxDuration: .seconds(2), maxIterations: 100_000)

  for count in [1_000, 100_000, 1_000_000, 10_000_000] {
    addNorm(count, Float.self, configuration)
    addSteps(count, Float.self, configuration)
  }
  addNorm(1_000_000, Double.self, configuration)
  addSteps(1_000_000, Double.self, configuration)
  addManyTensors(configuration)
}

/// The L2 norm of one vector.
private func addNorm<Scalar: BLASScalar>(
  _ count: Int, _: Scalar.Type, _ configuration: Benchmark.Configuration
) {
  Benchmark("Norm of one vector [\(Scalar.self), \(count)]", configuration: configuration) { benchmark in
    let gradients = try filled(ParameterLayout(count: count), 0.5 as Scalar)
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations { blackHole(try Gradients.norm(of: gradients)) }
    benchmark.stopMeasurement()
  }
}

/// Steps of one vector under each way of clipping.
private func addSteps<Scalar: BLASScalar>(
  _ count: Int, _: Scalar.Type, _ configuration: Benchmark.Configuration
) {
  let clippings: [(name: String, make: @Sendable () throws -> GradientClipping)] = [
    ("no clip", { .none }), ("global norm", { try .byGlobalNorm(1) }), ("value", { try .byValue(0.1) }),
  ]
  for clipping in clippings {
    Benchmark("Step of one vector [\(clipping.name), \(Scalar.self), \(count)]", configuration: configuration) {
      try step($0, ParameterLayout(count: count), Scalar.self, clipping.make())
    }
  }
}

/// Steps of many tensors: what finding and sharing them costs.
private func addManyTensors(_ configuration: Benchmark.Configuration) {
  let clippings: [(name: String, make: @Sendable () throws -> GradientClipping)] = [
    ("global norm", { try .byGlobalNorm(1) }), ("norm of each tensor", { try .byNorm(1) }),
  ]
  for clipping in clippings {
    Benchmark("Step of 1000 tensors of 1000 [\(clipping.name), Float]", configuration: configuration) {
      let layout = try ParameterLayout((0..<1000).map { (name: "\($0)", shape: [1000]) })
      try step($0, layout, Float.self, clipping.make())
    }
  }
}

private func step<Scalar: BLASScalar>(
  _ benchmark: Benchmark, _ layout: ParameterLayout, _: Scalar.Type, _ clipping: GradientClipping
) throws {
  var parameters = try filled(layout, 1 as Scalar)
  let gradients = try filled(layout, 0.5 as Scalar)
  var optimizer = try Optimizer<Scalar>(
    layout, rule: SGD(learningRate: 0.001, momentum: 0.9), clipping: clipping,
    nonFinitePolicy: clipping == .none ? .propagate : .throw)
  // The first step makes the velocity.
  try optimizer.step(&parameters, gradients: gradients)
  benchmark.startMeasurement()
  for _ in benchmark.scaledIterations { blackHole(try optimizer.step(&parameters, gradients: gradients)) }
  benchmark.stopMeasurement()
}

private func filled<Scalar: BLASScalar>(_ layout: ParameterLayout, _ value: Scalar) throws -> ParameterVector<Scalar> {
  var vector = try ParameterVector<Scalar>(layout)
  vector.fill(value)
  return vector
}
