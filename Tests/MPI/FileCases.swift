#if MPI
  import Foundation
  import Momentum
  import MomentumFiles

  /// Files of tensors for the command.
  enum FileCases {
    static func write(to folder: String) throws {
      let layout = try caseLayout()
      func elements(_ tensor: ParameterLayout.Tensor, _ seed: Int) -> [Float] { tensor.range.map { number(seed, $0) } }
      for (seed, name) in ["parameters", "first", "second", "third"].enumerated() {
        var writer = SafetensorsWriter(path: "\(folder)/\(name)", metadata: ["origin": "cases"])
        for tensor in layout.tensors { try add(elements(tensor, seed), tensor, to: &writer) }
        try writer.write()
      }
      var half = SafetensorsWriter(path: "\(folder)/half", metadata: ["origin": "cases"])
      for tensor in layout.tensors { try add(elements(tensor, 1).map { BFloat16($0) }, tensor, to: &half) }
      try half.write()
      // Both types, and elements that are not finite: in the first piece of a tensor, and in a later one.
      var mixed = SafetensorsWriter(path: "\(folder)/mixed", metadata: [:])
      for tensor in layout.tensors {
        var values = elements(tensor, 9)
        if tensor.name == "embedding" { values[6500] = .infinity }
        if tensor.name == "weight" { (values[5], values[6000]) = (.nan, -.infinity) }
        if tensor.name == "head" {
          try add(values.map { Double($0) / 3 }, tensor, to: &mixed)
        } else {
          try add(values, tensor, to: &mixed)
        }
      }
      try mixed.write()
      try checkpoint(layout, in: "\(folder)/model", seed: 4, isModel: true)
      try checkpoint(layout, in: "\(folder)/pieces", seed: 4, isModel: true, isCut: true)
      for (seed, name) in [(5, "gradients"), (6, "more")] {
        try checkpoint(layout, in: "\(folder)/\(name)", seed: seed, isModel: false)
      }
    }

    /// A checkpoint of three files and their index with all types of numbers. A model also has a tensor of integers, and a
    /// tensor without a gradient; gradients are of another type than parameters where they may be.
    ///
    /// - Parameter isCut: Whether each tensor is in a file of its own.
    private static func checkpoint(
      _ layout: ParameterLayout, in folder: String, seed: Int, isModel: Bool, isCut: Bool = false
    ) throws {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let count = isCut ? layout.tensors.count : 3
      let names = (1...count).map { "model-0000\($0)-of-0000\(count).safetensors" }
      var writers = names.map { SafetensorsWriter(path: "\(folder)/\($0)", metadata: ["origin": "cases"]) }
      var places: [String: String] = [:]
      for (index, tensor) in layout.tensors.enumerated() {
        let values = tensor.range.map { number(seed, $0) }
        let file: Int
        switch tensor.name {
        case "embedding", "empty":
          file = isCut ? index : 0
          try add(values.map { BFloat16($0) }, tensor, to: &writers[file])
        case "weight":
          file = isCut ? index : 1
          if isModel {
            try add(values, tensor, to: &writers[file])
          } else {
            try add(values.map { BFloat16($0) }, tensor, to: &writers[file])
          }
        case "bias":
          file = isCut ? index : 1
          try add(values.map { Float16($0) }, tensor, to: &writers[file])
        case "head":
          file = isCut ? index : 2
          try add(values.map { Double($0) / 3 }, tensor, to: &writers[file])
        default:
          file = isCut ? index : 1
          guard isModel else { continue }
          try add(values, tensor, to: &writers[file])
        }
        places[tensor.name] = names[file]
      }
      if isModel {
        let positions = (0..<70).map { Int64($0) }
        try writers[0].add("positions", dtype: .i64, shape: [70]) { emit throws(SafetensorsError) in
          try positions.withUnsafeBufferPointer { values throws(SafetensorsError) in
            try emit(UnsafeRawBufferPointer(values))
          }
        }
        places["positions"] = names[0]
      }
      try SafetensorsWriter.write(writers)
      try JSONEncoder().encode(["weight_map": places]).write(
        to: URL(fileURLWithPath: "\(folder)/model.safetensors.index.json"))
    }

    private static func add<Scalar: SafetensorsScalar>(
      _ values: [Scalar], _ tensor: ParameterLayout.Tensor, to writer: inout SafetensorsWriter
    ) throws {
      try writer.add(tensor.name, dtype: Scalar.dtype, shape: tensor.shape) { emit throws(SafetensorsError) in
        try values.withUnsafeBufferPointer { values throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(values))
        }
      }
    }
  }
#endif
