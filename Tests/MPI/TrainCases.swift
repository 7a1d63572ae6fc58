#if MPI
  import Foundation
  import Momentum
  import MomentumFiles
  import MomentumMPI

  /// Steps whose gradients depend on the parameters, the micro-batch and the step.
  enum TrainCases {
    /// What a run is like, as `key=value`.
    struct Options {
      var sharding = Sharding.state
      var isOrdered = true
      var microBatches = 12
      var steps = 4
      var setup = "momentum"
      var folder = ""
      var resume = ""
      /// The bytes of what travels early; `nil` if nothing does.
      var bucketBytes: Int?
      /// Whether gradients are handed over tensor by tensor.
      var isByTensor = false
      /// Whether gradients are rounded to half precision; of ranks, which then hand them over as such.
      var isHalf = false

      init(_ words: [String]) throws {
        for word in words {
          let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
          switch (parts[0], parts.last ?? "") {
          case ("sharding", let value): sharding = Sharding(rawValue: value) ?? .state
          case ("reduction", let value): isOrdered = value == "ordered"
          case ("micro", let value): microBatches = Int(value) ?? 1
          case ("steps", let value): steps = Int(value) ?? 1
          case ("setup", let value): setup = value
          case ("folder", let value): folder = value
          case ("resume", let value): resume = value
          case ("buckets", let value): bucketBytes = Int(value)
          case ("by", let value): isByTensor = value == "tensor"
          case ("gradients", let value): isHalf = value == "bf16"
          default: throw Cases.Failure(description: "no option '\(word)'")
          }
        }
      }
    }

    /// All that makes an optimizer.
    struct Setup {
      var rule: any UpdateRule
      var groups: [ParameterGroup] = []
      var clipping = GradientClipping.none
      var averaging: WeightAveraging?
      var lossScale = LossScale.none
      var adaptiveLimit: AdaptiveLimit?
      var velocityType: ElementType?
      var nonFinitePolicy: NonFinitePolicy?
      var reportsNorms = true

      init(_ name: String) throws {
        rule = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
        switch name {
        case "momentum": clipping = try .byGlobalNorm(5)
        case "everything":
          clipping = try GradientClipping(value: -0.9...0.8, whole: .norm(5))
          groups = [ParameterGroup("biases", ["bias", "scale"], rule: try SGD(learningRate: 0.3))]
          averaging = try .exponential(decay: 0.9)
          lossScale = try .dynamic()
          adaptiveLimit = .autoClip(try AutoClip(percentile: 40))
        case "half":
          clipping = try .byGlobalNorm(5)
          velocityType = .bfloat16
        case "silent":
          clipping = try .byValue(0.5)
          (nonFinitePolicy, reportsNorms) = (.propagate, false)
        case "normalized": rule = try NormalizedMomentum(learningRate: 0.1, momentum: 0.9, units: .firstAxis)
        case "lars": rule = try LARS(learningRate: 0.1, momentum: 0.9)
        default: throw Cases.Failure(description: "no setup '\(name)'")
        }
      }
    }

    private static func gradient(
      _ microBatch: Int, _ step: Int, _ parameters: borrowing ParameterVector<Float>, _ scale: Double,
      isHalf: Bool = false,
      into gradient: inout ParameterVector<Float>
    ) {
      for index in 0..<gradient.count {
        let element = (number(step, microBatch, index) + 0.1 * parameters[index]) * Float(scale)
        gradient[index] = isHalf ? Float(BFloat16(element)) : element
      }
    }

    private static func start(_ layout: ParameterLayout) throws -> ParameterVector<Float> {
      var parameters = try ParameterVector<Float>(layout)
      for index in 0..<layout.count { parameters[index] = number(0, index) }
      return parameters
    }

    /// Where the parameters of a run are, beside its state.
    private static func parameterFile(_ state: String) -> URL { URL(fileURLWithPath: state + ".parameters") }

    private static func load(_ state: String, into parameters: inout ParameterVector<Float>) throws {
      let data = try Data(contentsOf: parameterFile(state))
      parameters.withUnsafeMutableBufferPointer { _ = data.copyBytes(to: $0) }
    }

    private static func save(_ parameters: borrowing ParameterVector<Float>, _ state: String) throws {
      try parameters.withUnsafeBufferPointer { try Data(buffer: $0).write(to: parameterFile(state)) }
    }

    static func train(_ options: Options, _ world: Communicator) throws {
      let setup = try Setup(options.setup)
      var optimizer = try make(setup, options, world)
      var parameters = try start(optimizer.layout)
      if !options.resume.isEmpty {
        try optimizer.restore(from: options.resume)
        try load(options.resume, into: &parameters)
      }
      for _ in 0..<options.steps {
        let (step, scale) = (optimizer.stepCount, optimizer.lossScale.current)
        let report: StepReport
        if options.isByTensor || options.isHalf {
          try addByHand(&optimizer, parameters, step, scale, options, world)
          report = try optimizer.step(&parameters)
        } else if options.isOrdered {
          report = try optimizer.step(&parameters) { microBatch, vector, parameters in
            gradient(microBatch, step, parameters, scale, into: &vector)
          }
        } else {
          var vector = try ParameterVector<Float>(optimizer.layout)
          for microBatch in stride(from: world.rank, to: options.microBatches, by: world.rankCount) {
            gradient(microBatch, step, parameters, scale, into: &vector)
            optimizer.add(vector, microBatch: microBatch)
          }
          report = try optimizer.step(&parameters)
        }
        try Cases.require(
          (report.totalNorm == nil) == !setup.reportsNorms, "the norm is reported: \(report.totalNorm != nil)")
        if options.isOrdered {
          Cases.print("\(report.step) \(hex(report.totalNorm ?? 0)) \(hex(report.clipCoefficient))", world)
        }
      }
      // What every rank has.
      var text = WordHash()
      for index in 0..<parameters.count { text.add(UInt64(parameters[index].bitPattern)) }
      try Cases.requireSame("\(text.value)", world)
      if !options.isOrdered { Cases.print(String(text.value, radix: 16), world) }
      guard !options.folder.isEmpty else { return }
      let state = options.folder + "/state"
      try optimizer.save(to: state)
      if world.rank == 0 { try save(parameters, state) }
    }

    /// Hands over whole gradients, or tensors in an order that each rank and each micro-batch has for itself.
    private static func addByHand(
      _ optimizer: inout DistributedOptimizer<Float>, _ parameters: borrowing ParameterVector<Float>, _ step: Int,
      _ scale: Double, _ options: Options, _ world: Communicator
    ) throws {
      let tensors = optimizer.layout.tensors
      var vector = try ParameterVector<Float>(optimizer.layout)
      for microBatch in optimizer.microBatches ?? [] {
        gradient(microBatch, step, parameters, scale, isHalf: options.isHalf, into: &vector)
        // Exact: the elements are rounded already.
        let halves = try ParameterVector<BFloat16>(rounding: vector)
        guard options.isByTensor else {
          optimizer.add(halves, microBatch: microBatch)
          continue
        }
        for place in tensors.indices {
          let tensor = (2 * tensors.count - 1 - place + microBatch + world.rank) % tensors.count
          if options.isHalf {
            halves.withUnsafeBufferPointer { all in
              let part = UnsafeBufferPointer(rebasing: all[tensors[tensor].range])
              optimizer.add(part, tensor: tensor, microBatch: microBatch)
            }
          } else {
            vector.withUnsafeMutableBufferPointer { all in
              let part = UnsafeMutableBufferPointer(rebasing: all[tensors[tensor].range])
              optimizer.add(UnsafeBufferPointer(part), tensor: tensor, microBatch: microBatch)
              // The optimizer needs it no more.
              part.update(repeating: .nan)
            }
          }
        }
      }
    }

    private static func make(
      _ setup: Setup, _ options: Options, _ world: Communicator
    ) throws -> DistributedOptimizer<Float> {
      try make(setup.rule, setup, options, world)
    }

    private static func make(
      _ rule: some UpdateRule, _ setup: Setup, _ options: Options, _ world: Communicator
    ) throws -> DistributedOptimizer<Float> {
      try DistributedOptimizer<Float>(
        caseLayout(), on: world, rule: rule, groups: setup.groups, clipping: setup.clipping,
        nonFinitePolicy: setup.nonFinitePolicy, averaging: setup.averaging, lossScale: setup.lossScale,
        adaptiveLimit: setup.adaptiveLimit, velocityType: setup.velocityType, reportsNorms: setup.reportsNorms,
        sharding: options.sharding,
        reduction: options.isOrdered ? .ordered(microBatches: options.microBatches) : .library,
        bucketBytes: options.bucketBytes)
    }

    // MARK: One process

    /// The same steps without this library for several processes: the mean of a sum over the tree, written out again.
    static func reference(_ options: Options) throws {
      let setup = try Setup(options.setup)
      try reference(setup.rule, setup, options)
    }

    private static func reference(_ rule: some UpdateRule, _ setup: Setup, _ options: Options) throws {
      let layout = try caseLayout()
      var optimizer = try Optimizer<Float>(
        layout, rule: rule, groups: setup.groups, clipping: setup.clipping, nonFinitePolicy: setup.nonFinitePolicy,
        averaging: setup.averaging, lossScale: setup.lossScale, adaptiveLimit: setup.adaptiveLimit,
        velocityType: setup.velocityType)
      optimizer.reportsNorms = setup.reportsNorms
      var parameters = try start(layout)
      for _ in 0..<options.steps {
        var gradients: [[Float]] = []
        for microBatch in 0..<options.microBatches {
          var vector = try ParameterVector<Float>(layout)
          gradient(
            microBatch, optimizer.stepCount, parameters, optimizer.lossScale.current, isHalf: options.isHalf,
            into: &vector)
          gradients.append(vector.withUnsafeBufferPointer { Array($0) })
        }
        var sum = try ParameterVector<Float>(layout)
        for (index, value) in treeSum(gradients[...]).enumerated() { sum[index] = value }
        let (all, new) = (sum.withUnsafeBufferPointer { $0 }, parameters.withUnsafeMutableBufferPointer { $0 })
        let report = try optimizer.step(
          parameters: layout.tensors.map { UnsafeMutableBufferPointer(rebasing: new[$0.range]) },
          gradients: layout.tensors.map { UnsafeBufferPointer(rebasing: all[$0.range]) }, divisor: options.microBatches,
          exchange: Alone())
        print("\(report.step) \(hex(report.totalNorm ?? 0)) \(hex(report.clipCoefficient))")
      }
      let state = options.folder + "/state"
      try StateFile.save(optimizer, to: state)
      try save(parameters, state)
    }

    /// The exchange of one owner, who has everything.
    private struct Alone: NormExchange {
      func merge(_ message: inout NormMessage) {}
    }

    /// The sum over the tree, by its definition: the largest power of two that leaves something, and the rest.
    static func treeSum(_ gradients: ArraySlice<[Float]>) -> [Float] {
      guard gradients.count > 1 else { return gradients.first ?? [] }
      var half = 1
      while half * 2 < gradients.count { half *= 2 }
      let middle = gradients.startIndex + half
      return zip(treeSum(gradients[..<middle]), treeSum(gradients[middle...])).map { $0 + $1 }
    }

    // MARK: Death

    /// Steps and saves until the process dies.
    static func saveForEver(_ state: String, _ world: Communicator) throws {
      let options = try Options([])
      var optimizer = try make(Setup("momentum"), options, world)
      var parameters = try start(optimizer.layout)
      while true {
        try optimizer.step(&parameters) { microBatch, vector, parameters in
          gradient(microBatch, 0, parameters, 1, into: &vector)
        }
        if world.rank == 0 { try save(parameters, state) }
        try optimizer.save(to: state)
        if optimizer.stepCount == 1, world.rank == world.rankCount - 1 { dieSoon() }
      }
    }

    private static func dieSoon() {
      Thread.detachNewThread {
        Thread.sleep(forTimeInterval: 0.5)
        kill(getpid(), SIGKILL)
      }
    }
  }
#endif
