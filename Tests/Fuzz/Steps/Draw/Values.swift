import Momentum

/// Kinds of elements.
enum ElementKind: String, CaseIterable {
  case normal, integers, zeros, sparse, constant, spread, subnormal, huge, underflowing, overflowing, spike
}

/// Random elements, made once, that tensors take stretches of: to draw each anew would take longer than a step.
struct ElementPools<Scalar: BLASScalar>: Sendable {
  private let normal, integers, spread: [Scalar]

  init() {
    var random = Random(seed: 0xF00D)
    var (normal, integers, spread): ([Scalar], [Scalar], [Scalar]) = ([], [], [])
    let exponents = Int(Scalar.leastNonzeroMagnitude.exponent)...Int(Scalar.greatestFiniteMagnitude.exponent) - 1
    for _ in 0..<1 << 16 {
      normal.append(Scalar((random.unit() + random.unit() + random.unit() - 1.5) * 2))
      integers.append(Scalar(random.within(-9...9)) / 8)
      let magnitude = Scalar(
        sign: .plus, exponent: Scalar.Exponent(random.within(exponents)), significand: Scalar(1 + random.unit() * 0.99))
      spread.append(random.chance(0.5) ? magnitude : -magnitude)
    }
    (self.normal, self.integers, self.spread) = (normal, integers, spread)
  }

  /// Fills a tensor.
  func fill(
    _ target: UnsafeMutableBufferPointer<Scalar>, _ kind: ElementKind, scale: Double, _ random: inout Random
  ) {
    guard !target.isEmpty else { return }
    let greatest = Double(Scalar.greatestFiniteMagnitude)
    let least = Double(Scalar.leastNormalMagnitude)
    let typical = Scalar(scale)
    switch kind {
    case .normal: take(normal, typical, into: target, &random)
    case .integers: take(integers, 1, into: target, &random)
    case .zeros: target.update(repeating: random.chance(0.3) ? -0.0 : 0)
    case .sparse:
      target.update(repeating: 0)
      for _ in 0..<max(1, target.count / 50) {
        target[random.below(target.count)] = normal[random.below(normal.count)] * typical
      }
    case .constant: target.update(repeating: random.chance(0.5) ? typical : -typical)
    case .spread: take(spread, 1, into: target, &random)
    case .subnormal: take(normal, Scalar(least * random.logUniform(1e-5, 2)), into: target, &random)
    case .huge: take(normal, Scalar(greatest * random.logUniform(1e-3, 0.33)), into: target, &random)
    case .underflowing:
      take(normal, Scalar(least.squareRoot() * random.logUniform(1e-3, 1e3)), into: target, &random)
    case .overflowing:
      take(normal, Scalar(greatest.squareRoot() * random.logUniform(1e-3, 1e3)), into: target, &random)
    case .spike:
      take(normal, typical, into: target, &random)
      target[random.below(target.count)] = Scalar(scale * 1e4)
    }
  }

  private func take(
    _ pool: [Scalar], _ scale: Scalar, into target: UnsafeMutableBufferPointer<Scalar>, _ random: inout Random
  ) {
    pool.withUnsafeBufferPointer { pool in
      var (position, done) = (random.below(pool.count), 0)
      while done < target.count {
        let part = min(target.count - done, pool.count - position)
        for i in 0..<part { target[done + i] = pool[position + i] * scale }
        (done, position) = (done + part, 0)
      }
    }
  }
}
