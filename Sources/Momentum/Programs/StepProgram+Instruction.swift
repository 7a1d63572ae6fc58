extension StepProgram.Instruction {
  @inline(__always)
  init(kind: Kind, from: Operand, into: Operand, factor: ScaledDouble = ScaledDouble(1), upper: Double = 0) {
    (self.kind, self.from, self.into, self.factor, self.upper) = (kind, from, into, factor, upper)
    code = ProgramSignature.Verb(kind, from).map { ProgramSignature.code($0, into: into.rawValue) } ?? 0
  }

  @inline(__always)
  init(_ operation: StepOperation) {
    switch operation {
    case .axpy(let factor, let from, let into): self.init(kind: .axpy, from: from, into: into, factor: factor)
    case .scal(let factor, let vector): self.init(kind: .scal, from: vector, into: vector, factor: factor)
    case .copy(let from, let into): self.init(kind: .copy, from: from, into: into)
    case .sign(let vector): self.init(kind: .sign, from: vector, into: vector)
    case .averageSquares(let decay, let factor, let from, let into):
      self.init(kind: .averageSquares, from: from, into: into, factor: factor, upper: decay)
    case .divideByRoot(let root, let epsilon, let vector):
      self.init(kind: .divideByRoot, from: root, into: vector, factor: epsilon)
    case .transform: self.init(kind: .transform, from: .update, into: .update)
    case .clearNonFinite(let inPlace): self.init(kind: .clearNonFinite, from: .gradient, into: Self.target(inPlace))
    case .clamp(let lower, let upper, let inPlace):
      self.init(
        kind: .clamp, from: .gradient, into: Self.target(inPlace), factor: ScaledDouble(lower), upper: upper)
    case .scaleUnits(let scaling, let inPlace):
      self.init(
        kind: scaling == .clipping ? .scaleClippingUnits : .scaleRuleUnits, from: .gradient,
        into: Self.target(inPlace))
    }
  }

  private static func target(_ inPlace: Bool) -> Operand { inPlace ? .gradient : .copy }

  var operation: StepOperation {
    let inPlace = into == .gradient
    return switch kind {
    case .axpy: .axpy(factor: factor, from: from, into: into)
    case .scal: .scal(factor: factor, into)
    case .copy: .copy(from: from, into: into)
    case .sign: .sign(into)
    case .averageSquares: .averageSquares(decay: upper, factor: factor, from: from, into: into)
    case .divideByRoot: .divideByRoot(of: from, epsilon: factor, into)
    case .transform: .transform
    case .clearNonFinite: .clearNonFinite(inPlace: inPlace)
    case .clamp: .clamp(lower: factor.double, upper: upper, inPlace: inPlace)
    case .scaleClippingUnits: .scaleUnits(.clipping, inPlace: inPlace)
    case .scaleRuleUnits: .scaleUnits(.rule, inPlace: inPlace)
    }
  }
}

extension ProgramSignature.Verb {
  /// What loops call an operation; `nil` for one that no loop has.
  @inline(__always)
  fileprivate init?(_ kind: StepProgram.Instruction.Kind, _ from: Operand) {
    switch kind {
    case .axpy: self = .axpy(from.rawValue)
    case .scal: self = .scal
    case .copy: self = .assign(from.rawValue)
    case .sign: self = .sign
    case .averageSquares: self = .averageSquares(from.rawValue)
    case .divideByRoot: self = .divideByRoot(from.rawValue)
    case .clearNonFinite: self = .clear
    case .clamp: self = .clamp
    case .transform, .scaleClippingUnits, .scaleRuleUnits: return nil
    }
  }
}

extension StepProgram.Instruction {
  /// Whether a loop computes the operation with its factor rounded to this number.
  @inline(__always)
  func takes<Scalar: BLASScalar>(_ rounded: Scalar) -> Bool { rounded.isNormal || takesOthers }

  /// The same for a number that is 0, NaN, infinite or subnormal, kept apart from the usual case. Bounds may be that. An
  /// axpy by such a factor is a ``TileProgram/Kind/multiplyAdd``, and a factor that was rounded to it has lost digits.
  @inline(never)
  private var takesOthers: Bool {
    switch kind {
    case .axpy: false
    case .scal, .averageSquares: factor.significand == 0 || !factor.significand.isFinite
    default: true
    }
  }
}
