import Momentum

/// A gradient whose tensors are of `Float`, `BFloat16` or `Float16`, each at an odd address, and the same as `Float`s.
final class HalfGradient {
  private(set) var wide: [Float]
  let isMissing: [Bool]
  let types: [ElementType]
  /// What each tensor takes, one place of 4 bytes for each element.
  private let memory: UnsafeMutableRawPointer
  private let layout: ParameterLayout

  init(_ drawn: StepInput<Float>.Gradient, _ layout: ParameterLayout, _ random: inout Random) {
    (wide, isMissing, self.layout) = (drawn.elements, drawn.isMissing, layout)
    // One type for all, as a rule; a norm of Floats alone would be measured in another way.
    let common: ElementType? = random.chance(0.6) ? random.pick(Self.halves) : nil
    var types = layout.tensors.map { _ in common ?? random.pick(Self.halves + [.float32]) }
    if !types.contains(where: { $0 != .float32 }) { types[0] = .bfloat16 }
    self.types = types
    memory = .allocate(byteCount: 4 * layout.count + 4, alignment: 4096)
    for (tensor, type) in zip(layout.tensors, types) {
      for index in tensor.range { wide[index] = store(wide[index], type, at: index - tensor.offset, of: tensor) }
    }
  }

  deinit { memory.deallocate() }

  private static var halves: [ElementType] {
    #if os(macOS) && arch(x86_64)
      [.bfloat16]
    #else
      [.bfloat16, .float16]
    #endif
  }

  private func start(_ tensor: ParameterLayout.Tensor, _ type: ElementType) -> UnsafeMutableRawPointer {
    memory + 4 * tensor.offset + (type == .float32 ? 4 : 6)
  }

  /// - Returns: The element that was stored.
  private func store(_ element: Float, _ type: ElementType, at index: Int, of tensor: ParameterLayout.Tensor) -> Float {
    let start = start(tensor, type)
    switch type {
    case .bfloat16:
      let half = BFloat16(element)
      start.storeBytes(of: half, toByteOffset: 2 * index, as: BFloat16.self)
      return Float(half)
    case .float16:
      #if os(macOS) && arch(x86_64)
        preconditionFailure("Float16 does not exist here")
      #else
        let half = Float16(element)
        start.storeBytes(of: half, toByteOffset: 2 * index, as: Float16.self)
        return Float(half)
      #endif
    case .float32, .float64:
      start.storeBytes(of: element, toByteOffset: 4 * index, as: Float.self)
      return element
    }
  }

  /// The gradients of some tensors, as they are stored.
  func buffers(_ order: [Int]) -> [TensorBuffer?] {
    order.map { index in
      guard !isMissing[index] else { return nil }
      let (tensor, type) = (layout.tensors[index], types[index])
      func buffer<Element: StoredScalar>(_: Element.Type) -> TensorBuffer {
        let first = start(tensor, type).assumingMemoryBound(to: Element.self)
        return TensorBuffer(UnsafeBufferPointer(start: first, count: tensor.count))
      }
      switch type {
      case .bfloat16: return buffer(BFloat16.self)
      case .float16:
        #if os(macOS) && arch(x86_64)
          preconditionFailure("Float16 does not exist here")
        #else
          return buffer(Float16.self)
        #endif
      case .float32, .float64: return buffer(Float.self)
      }
    }
  }
}
