#if MPI
  import ArgumentParser
  import Momentum
  import MomentumFiles
  import MomentumMPI

  struct RankNormCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "norm", abstract: "Measure the norm of the tensors in checkpoints.",
      discussion: """
        As momentum norm, whose output it has. Every rank reads and measures its part of the tensors. On more than one \
        rank the norm is the 1-norm, the 2-norm or the maximum.
        """)

    @OptionGroup
    var options: NormCommand

    func run() throws {
      let world = try Communicator.world()
      let (file, plan, type) = try world.together {
        let type = try NormType(order: options.normType.order ?? 2)
        if world.rankCount > 1, options.normType == .spectral || options.spectrum != nil {
          throw ValidationError("--norm-type spectral and --spectrum are for one rank")
        }
        let file = try CheckpointTensors(options.paths, options.patterns)
        return (file, try ShardPlan(file.layout(), ranks: world.rankCount), type)
      }
      if world.rankCount == 1 { return try options.run() }
      if world.rank == 0 { file.warn() }
      try world.requireSame(plan.digest, "the tensors of \(file.name)")
      let (empty, pieces) = try world.together {
        guard let empty = try? NormPartial(type) else {
          throw ValidationError("--norm-type is \(type.order); expected 1, 2 or inf on more than one rank")
        }
        return (empty, try measure(file, plan.pieces(of: world.rank), empty, world.threadsPerRank))
      }

      var total = empty
      for (_, partial, _) in pieces { total.merge(partial) }
      var output = NormOutput(
        NormReport(try world.merge([total])[0]), perTensor: options.perTensor, skipped: file.skipped)
      if output.listsTensors { try list(pieces, file, empty, world, &output) }
      try world.together { try file.set.checkUnchanged() }
      withExtendedLifetime(file) {}
      guard world.rank == 0 else { return }
      if options.json { try JSONOutput.print(output) } else { try StandardOutput.print(lines: output.lines) }
    }

    /// What a rank has measured of a tensor: its norm, and the first element of the tensor that is not finite.
    private typealias Measured = (tensor: Int, partial: NormPartial, first: (index: Int, value: Double)?)

    private func measure(
      _ file: CheckpointTensors, _ pieces: [ShardPlan.Piece], _ empty: NormPartial, _ threads: Int
    ) throws -> [Measured] {
      try pieces.map { piece in
        let (file, tensor) = (file.tensors[piece.tensor].file, file.tensors[piece.tensor].tensor)
        let threads = options.threading.threads ?? threads
        func plain<Scalar: BLASScalar & SafetensorsScalar>(_: Scalar.Type) throws -> Measured {
          let elements = try file.unsafeBuffer(of: tensor.name, as: Scalar.self)
          return try measured(elements, piece, empty) {
            try NormPartial(of: $0, type: empty.type, algorithm: options.algorithm, threads: threads)
          }
        }
        func half<Half: HalfScalar & SafetensorsScalar>(_: Half.Type) throws -> Measured {
          let elements = try file.unsafeBuffer(of: tensor.name, as: Half.self)
          return try measured(elements, piece, empty) {
            try NormPartial(of: $0, type: empty.type, threads: threads)
          }
        }
        switch tensor.dtype {
        case .f64: return try plain(Double.self)
        case .bf16: return try half(BFloat16.self)
        #if !(os(macOS) && arch(x86_64))
          case .f16: return try half(Float16.self)
        #endif
        default: return try plain(Float.self)
        }
      }
    }

    private func measured<Element: StoredScalar>(
      _ tensor: UnsafeBufferPointer<Element>, _ piece: ShardPlan.Piece, _ empty: NormPartial,
      _ measure: (UnsafeBufferPointer<Element>) throws -> NormPartial
    ) throws -> Measured {
      guard !piece.range.isEmpty else { return (piece.tensor, empty, nil) }
      let elements = UnsafeBufferPointer(rebasing: tensor[piece.range])
      let partial = try measure(elements)
      guard partial.nanCount + partial.infinityCount > 0, let first = TensorBuffer(elements).firstNonFinite() else {
        return (piece.tensor, partial, nil)
      }
      return (piece.tensor, partial, (first.index + piece.range.lowerBound, first.value))
    }

    /// Adds the tensors one by one, as all ranks together have measured them.
    private func list(
      _ pieces: [Measured], _ file: CheckpointTensors, _ empty: NormPartial, _ world: Communicator,
      _ output: inout NormOutput
    ) throws {
      let count = file.tensors.count
      var partials = Array(repeating: empty, count: count)
      // The largest is the one of the first element.
      var places = [UInt64](repeating: 0, count: count)
      for (tensor, partial, first) in pieces {
        partials[tensor] = partial
        if let first { places[tensor] = UInt64.max - UInt64(first.index) }
      }
      let own = places
      partials = try world.merge(partials)
      try world.max(&places)
      var values = [UInt64](repeating: 0, count: count)
      for (tensor, _, first) in pieces where own[tensor] == places[tensor] {
        if let first { values[tensor] = first.value.bitPattern }
      }
      try world.max(&values)
      let elements = try file.layout().tensors.map(\.count)
      for (index, tensor) in file.tensors.lazy.map(\.tensor).enumerated() {
        let first = places[index] == 0 ? nil : (Int(UInt64.max - places[index]), Double(bitPattern: values[index]))
        output.add(tensor.name, NormReport(partials[index]), count: elements[index], first: first)
      }
    }
  }
#endif
