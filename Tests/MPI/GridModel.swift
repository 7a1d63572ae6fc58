#if MPI
  import Momentum
  import MomentumMPI

  extension GridCases {
    /// The extents of a grid of data, pipeline and tensor; the last two are 1 or 2.
    struct Grid {
      let extents: [Int]
      var axes: [(name: String, extent: Int)] { Array(zip(["data", "pipeline", "tensor"], extents)) }

      /// - Parameter text: For example `2x1x2`.
      init(_ text: String) throws {
        extents = text.split(separator: "x").compactMap { Int($0) }
        try Cases.require(extents.count == 3, "'\(text)' is no grid; expected for example 2x1x2")
      }
    }

    /// A model whose gradients have the same bits whoever computes which part of them.
    ///
    /// There are eight micro-batches, two stages and two parts of the tokens. A rank of a grid that has fewer stages or parts has
    /// several of them. Gradients that are added up along data only have all bits of a `Float`, the others so few that the order
    /// of additions does not matter.
    struct Model {
      static let microBatches = 8
      /// Rows of the first two are cut at multiples of 16 rows: between tiles.
      static let tensors: [(name: String, shape: [Int])] = [
        ("embedding", [64, 128]), ("up", [48, 128]), ("norm", [129]), ("bias", [5]), ("scale", []), ("empty", [0]),
        ("head", [5000]),
      ]

      static func position(_ name: String) -> Int { tensors.firstIndex { $0.name == name } ?? 0 }

      /// What a rank has: a place on the axes, and the extents.
      let place: [Int]
      let extents: [Int]

      /// Everything, for one process.
      static let whole = Model(place: [0, 0, 0], extents: [1, 1, 1])

      private var lastStage: Int { extents[1] - 1 }
      private var lastSlice: Int { extents[2] - 1 }

      private func placement(_ name: String) -> Placement {
        switch name {
        case "embedding": ["tensor": .sliced(of: 64), "pipeline": .tied([0, lastStage])]
        case "up": ["tensor": .sliced(of: 48), "pipeline": .owned(by: 0)]
        case "norm": ["tensor": .copied, "pipeline": .owned(by: lastStage)]
        case "bias", "empty": ["pipeline": .owned(by: 0)]
        case "head": ["pipeline": .owned(by: lastStage), "tensor": .owned(by: lastSlice)]
        default: [:]
        }
      }

      private func holds(_ name: String) -> Bool {
        switch name {
        case "up", "bias", "empty": place[1] == 0
        case "norm": place[1] == lastStage
        case "head": place[1] == lastStage && place[2] == lastSlice
        default: true
        }
      }

      /// The elements of a whole tensor that are here.
      func range(_ name: String) -> Range<Int> {
        let count = Self.tensors[Self.position(name)].shape.reduce(1, *)
        guard let blocks = ["embedding": 4, "up": 3][name] else { return 0..<count }
        return blocks * place[2] / extents[2] * Tile.count..<blocks * (place[2] + 1) / extents[2] * Tile.count
      }

      /// The tensors and slices that are here.
      var declared: [(name: String, shape: [Int], placement: Placement)] {
        Self.tensors.filter { holds($0.name) }.map { name, shape in
          let isSliced = name == "embedding" || name == "up"
          return (name, isSliced ? [range(name).count / 128, 128] : shape, placement(name))
        }
      }

      /// Those of two virtual places that are here.
      private func parts(_ axis: Int) -> [Int] { extents[axis] == 1 ? [0, 1] : [place[axis]] }

      /// What is computed here of a gradient: a sum over its own micro-batches, stages and parts of the tokens.
      func gradient(_ name: String, step: Int) -> [Float] {
        let stages = ["embedding", "scale"].contains(name) ? parts(1) : [0]
        let tokens = ["bias", "scale"].contains(name) ? parts(2) : [0]
        let isSummed = ["embedding", "bias", "scale"].contains(name)
        func leaf(_ microBatch: Int) -> [Float] {
          range(name).map { index in
            var sum: Float = 0
            for stage in stages {
              for token in tokens {
                let element = number(step, Self.position(name), index, microBatch, stage, token)
                sum += isSummed ? (element * 128).rounded() / 128 : element
              }
            }
            return sum
          }
        }
        let count = Self.microBatches / extents[0]
        return TrainCases.treeSum((count * place[0]..<count * (place[0] + 1)).map(leaf)[...])
      }

      func start(_ name: String) -> [Float] { range(name).map { number(0, Self.position(name), $0) } }
    }

    /// Memory for some tensors.
    final class Memory {
      let tensors: [UnsafeMutableBufferPointer<Float>]

      init(_ elements: [[Float]]) {
        tensors = elements.map { elements in
          let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: elements.count)
          _ = memory.initialize(from: elements)
          return memory
        }
      }

      deinit { for tensor in tensors { tensor.deallocate() } }

      var elements: [[Float]] { tensors.map { Array($0) } }
    }
  }
#endif
