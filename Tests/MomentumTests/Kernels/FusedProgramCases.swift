import CMomentumKernels
import MomentumTestSupport

@testable import Momentum

/// All programs that have a loop, on vectors of many lengths: what goes into a loop, and what has to come out.
struct FusedProgramCases<Scalar: BLASScalar> {
  /// One after the other, as the numbers of their loops.
  static var programs: [UInt64] { (0...).lazy.map { momentum_fused_program($0) }.prefix { $0 != 0 } as [UInt64] }

  /// The lengths: every number of elements that the widest vectors, four at a time, leave over, with and without some
  /// of them before; and long ones.
  static var counts: [Int] { Array(0...132) + [1021, 2048, most] }
  private static var most: Int { 8229 }
  /// The elements recur after a number that no vector's length shares a factor with.
  private static var period: Int { 331 }

  let programs = Self.programs
  /// The factors as loops read them: the lower bound of a clamp, or the factor; from 8 on the upper bound, or the decay.
  let factors: [Scalar]
  /// The vectors of ``most`` elements, in the order of their operands.
  let vectors: [[Scalar]]
  /// What each program leaves of them.
  let expected: [[[Scalar]]]

  init() {
    var random = SeededGenerator(seed: 67)
    let special: [Scalar] = [
      .nan, .infinity, -.infinity, 0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.25, -0.25,
    ]
    let start: [[Scalar]] = (0..<Operand.vectorCount).map { _ in
      var vector: [Scalar] = random.numbers(Self.period)
      for index in vector.indices where Int.random(in: 0..<8, using: &random) == 0 {
        vector[index] = special.randomElement(using: &random)!
      }
      return vector
    }
    let factors: [Scalar] = (0..<16).map {
      Scalar(Double.random(in: $0 < 8 ? -0.3 ... -0.2 : 0.2...0.3, using: &random))
    }
    self.factors = factors
    vectors = start.map(Self.repeated)
    expected = programs.map { program in
      let operations = Self.operations(of: program, factors)
      var vectors = start
      for index in 0..<Self.period { Self.interpret(operations, &vectors, index) }
      return vectors.map(Self.repeated)
    }
  }

  private static func repeated(_ vector: [Scalar]) -> [Scalar] {
    var all: [Scalar] = []
    while all.count < most { all += vector }
    return Array(all[..<most])
  }

  /// A program as the engine has it.
  func program(_ position: Int) -> StepProgram {
    var program = StepProgram()
    for operation in Self.operations(of: programs[position], factors) { program.append(operation) }
    return program
  }

  private static func operations(of program: UInt64, _ factors: [Scalar]) -> [StepOperation] {
    let operands = UInt64(MOMENTUM_FUSED_OPERANDS.rawValue)
    return (0..<8).filter { program >> (8 * $0) & 0xff != 0 }.map { position in
      let code = program >> (8 * position) & 0xff - 1
      let (verb, into) = (UInt32(code / operands), Operand(rawValue: UInt8(code % operands))!)
      let from = Operand(rawValue: UInt8(UInt64(verb) % operands))!
      let (number, bound) = (Double(factors[position]), Double(factors[8 + position]))
      let factor = ScaledDouble(number)
      return switch verb {
      case MOMENTUM_FUSED_SCAL.rawValue: .scal(factor: factor, into)
      case MOMENTUM_FUSED_SIGN.rawValue: .sign(into)
      case MOMENTUM_FUSED_CLEAR.rawValue: .clearNonFinite(inPlace: into == .gradient)
      case MOMENTUM_FUSED_CLAMP.rawValue: .clamp(lower: number, upper: bound, inPlace: into == .gradient)
      case MOMENTUM_FUSED_ASSIGN.rawValue..<MOMENTUM_FUSED_AVERAGE_SQUARES.rawValue: .copy(from: from, into: into)
      case MOMENTUM_FUSED_AVERAGE_SQUARES.rawValue..<MOMENTUM_FUSED_DIVIDE_BY_ROOT.rawValue:
        .averageSquares(decay: bound, factor: factor, from: from, into: into)
      case MOMENTUM_FUSED_DIVIDE_BY_ROOT.rawValue..<MOMENTUM_FUSED_SCAL.rawValue:
        .divideByRoot(of: from, epsilon: factor, into)
      default: .axpy(factor: factor, from: from, into: into)
      }
    }
  }

  /// Runs a program on one element of each vector.
  private static func interpret(_ operations: [StepOperation], _ vectors: inout [[Scalar]], _ index: Int) {
    var x = vectors.map { $0[index] } + [0]
    func place(_ operand: Operand) -> Int { Int(operand.rawValue) }
    // What a filter leaves for the operations after it stays out of memory.
    var isFiltered = false
    for operation in operations {
      switch operation {
      case .axpy(let factor, let from, let into):
        x[place(into)] = x[place(into)].addingProduct(Scalar(factor.double), x[place(from)])
      case .scal(let factor, let vector): x[place(vector)] *= Scalar(factor.double)
      case .copy(let from, let into): x[place(into)] = x[place(from)]
      case .sign(let vector):
        let old = x[place(vector)]
        x[place(vector)] = old.isNaN ? old : old > 0 ? 1 : old < 0 ? -1 : 0
      case .averageSquares(let decay, let factor, let from, let into):
        let scaled = Scalar(factor.double) * x[place(from)]
        x[place(into)] = Scalar(decay) * x[place(into)] + scaled * scaled
      case .divideByRoot(let root, let epsilon, let vector):
        x[place(vector)] /= x[place(root)].squareRoot() + Scalar(epsilon.double)
      case .clearNonFinite(let inPlace):
        x[0] = x[0].isFinite ? x[0] : 0
        isFiltered = isFiltered || !inPlace
      case .clamp(let lower, let upper, let inPlace):
        x[0] = x[0] < Scalar(lower) ? Scalar(lower) : x[0] > Scalar(upper) ? Scalar(upper) : x[0]
        isFiltered = isFiltered || !inPlace
      case .transform, .scaleUnits: preconditionFailure("no loop has such an operation")
      }
    }
    for operand in vectors.indices where operand != 0 || !isFiltered { vectors[operand][index] = x[operand] }
  }
}
