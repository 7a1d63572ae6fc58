#if MPI
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
