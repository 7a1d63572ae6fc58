import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// What becomes of finite numbers that are too large for half precision when loops store them: each variant that this processor
/// runs against the definition, for all ways to store parameters.
final class HalfOverflowTests: XCTestCase {
  private static let types: [(ElementType, momentum_stored_type)] = [
    (.float32, MOMENTUM_STORED_FLOAT), (.bfloat16, MOMENTUM_STORED_BFLOAT16), (.float16, MOMENTUM_STORED_FLOAT16),
  ]
  /// The ways, with the type that may overflow.
  private static let ways: [(momentum_stored_parameters, ElementType)] = [
    (MOMENTUM_PARAMETERS_WITH_BFLOAT16, .bfloat16), (MOMENTUM_PARAMETERS_WITH_FLOAT16, .float16),
    (MOMENTUM_PARAMETERS_NEAREST, .bfloat16), (MOMENTUM_PARAMETERS_STOCHASTIC, .bfloat16),
  ]
  /// Momentum: the gradient is added to the direction, and that to the parameters.
  private static let program =
    momentum_fused_code(
      MOMENTUM_FUSED_AXPY.rawValue + MOMENTUM_FUSED_GRADIENT.rawValue, MOMENTUM_FUSED_DIRECTION.rawValue)
    | momentum_fused_code(
      MOMENTUM_FUSED_AXPY.rawValue + MOMENTUM_FUSED_DIRECTION.rawValue, MOMENTUM_FUSED_PARAMETERS.rawValue) << 8

  func testLoopsStoreTheLargestNumberWhereTheyAreAskedTo() {
    var overflowed: [String: Int] = [:]
    var position: Int32 = 0
    while let loops = momentum_fused_half_loops_variant(position)?.pointee {
      for (gradient, storedGradient) in Self.types {
        for direction in [ElementType.float32, .bfloat16] {
          for (way, type) in Self.ways {
            let storage = momentum_fused_storage(
              storedGradient, direction == .bfloat16 ? MOMENTUM_STORED_BFLOAT16 : MOMENTUM_STORED_FLOAT, way)
            guard let loop = loops.find(Self.program, storage) else { continue }
            let name = "\(String(cString: loops.name)), \(type), way \(way.rawValue)"
            for count in [1, 7, 16, 33, 1100] {
              let what = "\(name), gradient \(gradient), direction \(direction), count \(count)"
              overflowed[name, default: 0] += compare(what, count, gradient, direction, way, type) {
                loops.run(loop, storage, &$0, $1, count)
              }
            }
          }
        }
      }
      position += 1
    }
    XCTAssertEqual(position > 0, momentum_fused_vectors() != nil)
    XCTAssertEqual(overflowed.count, Int(position) * Self.ways.count)
    XCTAssertTrue(overflowed.values.allSatisfy { $0 > 50 }, "\(overflowed)")
  }

  /// Runs a loop that saturates and one that does not.
  ///
  /// - Returns: The number of parameters that have overflowed.
  private func compare(
    _ what: String, _ count: Int, _ gradient: ElementType, _ direction: ElementType, _ way: momentum_stored_parameters,
    _ type: ElementType, _ run: (inout momentum_fused_halves, [Float]) -> momentum_fused_losses
  ) -> Int {
    var random = SeededGenerator(seed: UInt64(count))
    let isNarrow = way == MOMENTUM_PARAMETERS_NEAREST || way == MOMENTUM_PARAMETERS_STOCHASTIC
    let largest: Float = type == .bfloat16 ? 0x1.fep127 : 65_504
    // Parameters about the largest number, some beyond all, which move by up to a hundredth of it, or not at all.
    var p = (0..<count).map { _ in largest * .random(in: -1...1, using: &random) }
    for index in stride(from: 0, to: count, by: 3) { p[index] = [largest, -largest][index % 2] }
    if count > 10 { p.replaceSubrange(4..<8, with: [.infinity, -.infinity, .nan, -largest]) }
    let g: [Float] = random.numbers(count, exponents: -2 ... -1)
    let d: [Float] = random.numbers(count, exponents: -2 ... -1)
    let factors: [Float] = [1, largest / 256] + Array(repeating: 0, count: 14)

    let (storedG, storedD) = (StoredNumbers(g, gradient), StoredNumbers(d, direction))
    let storedP = StoredNumbers(p, isNarrow ? .bfloat16 : .float32)
    let wide = zip(storedP.numbers, zip(storedD.numbers, storedG.numbers)).map { p, vectors in
      p.addingProduct(factors[1], vectors.0.addingProduct(1, vectors.1))
    }
    let results = [false, true].map { saturates in
      let (d, p, second) = (
        StoredNumbers(d, direction), StoredNumbers(p, storedP.type), StoredNumbers(wide.map { _ in 0 }, type)
      )
      var vectors = momentum_fused_halves(
        gradient: storedG.address, direction: d.address, parameters: p.address, second: second.address, index: 5,
        step: 3, key: 11, saturates: saturates ? 1 : 0)
      let losses = run(&vectors, factors)
      return (losses: losses, direction: d.bits, parameters: p.bits, stored: isNarrow ? p.bits : second.bits)
    }
    let (usual, saturated) = (results[0], results[1])
    let overflowing = wide.indices.filter {
      wide[$0].isFinite && HalfOracle.value(HalfOracle.bits(wide[$0], type), type).isInfinite
    }
    var expected = usual.stored
    for index in overflowing {
      XCTAssertEqual(usual.stored[index], UInt32(HalfOracle.bits(wide[index], type)), "\(what), element \(index)")
      expected[index] = UInt32(HalfOracle.bits(wide[index] < 0 ? -largest : largest, type))
    }
    XCTAssertEqual(saturated.stored, expected, what)
    XCTAssertEqual(saturated.direction, usual.direction, what)
    if !isNarrow { XCTAssertEqual(saturated.parameters, usual.parameters, what) }
    XCTAssertEqual(usual.losses.too_large, overflowing.count, what)
    XCTAssertEqual(saturated.losses.too_large, overflowing.count, what)
    XCTAssertEqual(saturated.losses.kept_bits, usual.losses.kept_bits, what)
    return overflowing.count
  }
}

/// Numbers of a type in memory, from an odd place on.
private final class StoredNumbers {
  let type: ElementType
  private let count: Int
  private let memory: UnsafeMutableRawBufferPointer

  init(_ numbers: [Float], _ type: ElementType) {
    (self.type, count) = (type, numbers.count)
    memory = .allocate(byteCount: (count + 1) * type.byteCount, alignment: 64)
    for (index, number) in numbers.enumerated() {
      if type == .float32 {
        address.storeBytes(of: number, toByteOffset: 4 * index, as: Float.self)
      } else {
        address.storeBytes(of: HalfOracle.bits(number, type), toByteOffset: 2 * index, as: UInt16.self)
      }
    }
  }

  deinit { memory.deallocate() }

  var address: UnsafeMutableRawPointer { memory.baseAddress! + type.byteCount }

  /// The bits of each element.
  var bits: [UInt32] {
    (0..<count).map { index in
      type == .float32
        ? address.load(fromByteOffset: 4 * index, as: UInt32.self)
        : UInt32(address.load(fromByteOffset: 2 * index, as: UInt16.self))
    }
  }

  /// Each element, exact.
  var numbers: [Float] {
    bits.map {
      type == .float32 ? Float(bitPattern: $0) : Float(HalfOracle.value(UInt16($0), type))
    }
  }
}
