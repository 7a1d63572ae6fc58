import Momentum
import MomentumTestSupport
import XCTest

/// The table of edge cases, every cell by a step and by a clip in place, and that the documentation prints this table.
final class FeatureTableTests: XCTestCase {
  func testEveryCellFloat() throws { try everyCell(Float.self) }
  func testEveryCellDouble() throws { try everyCell(Double.self) }

  func testTheArticleShowsThisTable() throws {
    XCTAssertEqual(try ConventionsArticle.rows(below: EdgeCase.header), EdgeCase.table.map(\.row))
  }

  func testATableWithAnotherCellIsNoticed() throws {
    let rows = EdgeCase.table.map(\.row)
    XCTAssertEqual(Set(rows).count, rows.count)
    let wrong = EdgeCase("N = 0, C > 0", .zeros, limit: 1, everywhere: EdgeCell(outcome: .nan))
    XCTAssertNotEqual(wrong.row, rows[0])
    XCTAssertNotNil(try Self.difference(wrong, .whole, .native, Float.self))
  }

  private func everyCell<S: BLASScalar>(_: S.Type) throws {
    var checked = 0
    for line in EdgeCase.table {
      for scope in line.scopes {
        for convention in Convention.allCases {
          if let difference = try Self.difference(line, scope, convention, S.self) {
            XCTFail("\(line.name), \(scope.rawValue), \(convention), \(S.self): \(difference)")
          }
          checked += 1
        }
      }
    }
    XCTAssertEqual(checked, EdgeCase.table.map(\.scopes.count).reduce(0, +) * 5)
  }

  // MARK: - One cell

  /// What a cell says and the library does not do, or `nil`.
  private static func difference<S: BLASScalar>(
    _ line: EdgeCase, _ scope: EdgeCase.Scope, _ convention: Convention, _: S.Type
  ) throws -> String? {
    let cell = line.cells[Convention.allCases.firstIndex(of: convention)!]
    let elements = line.elements(S.self)
    // The limit of the whole is that of two tensors; beside the limited tensor stands one of norm 0, which stays.
    let gradients =
      scope == .whole ? [Array(elements.prefix(1)), Array(elements.dropFirst())] : [elements, [0, -0.0]]
    var clipping = GradientClipping.none
    switch scope {
    case .whole: clipping.whole = .norm(line.limit)
    case .tensor: clipping.tensor = .norm(line.limit)
    }
    switch cell.outcome {
    case .error: return try refusal(gradients, clipping, convention)
    case .leftAlone: return try missing(gradients, clipping, convention)
    default: break
    }

    let isFinite = elements.allSatisfy(\.isFinite)
    let coefficient = cell.coefficient(13, line.limit)!
    let clips = try clipped(gradients, by: clipping, convention: convention, policy: .propagate)
    if let found = compare(gradients, clips.elements, cell, S(coefficient), line, scope) { return "in place: \(found)" }
    let changes = S(coefficient) != 1
    if clips.report.wasClipped != changes { return "wasClipped is \(clips.report.wasClipped)" }

    // From 0 with the learning rate 1 a step leaves the negative of the gradient behind.
    var run = try EngineRun<S>(
      gradients.map { $0.map { _ in 0 } }, rule: SGD(learningRate: 1, convention: convention), clipping: clipping,
      policy: .propagate)
    let report = try run.step(gradients)
    let stepped = run.parameters.map { $0.map { 0 - $0 } }
    if let found = compare(gradients, stepped, cell, S(coefficient), line, scope, bits: false) {
      return "step: \(found)"
    }
    if !same(report.clipCoefficient, clips.report.clipCoefficient) {
      return "the step's coefficient is \(report.clipCoefficient), in place it is \(clips.report.clipCoefficient)"
    }
    return isFinite ? nil : try defaultPolicy(gradients, clipping, convention)
  }

  private static func compare<S: BLASScalar>(
    _ gradients: [[S]], _ found: [[S]], _ cell: EdgeCell, _ coefficient: S, _ line: EdgeCase, _ scope: EdgeCase.Scope,
    bits: Bool = true
  ) -> String? {
    for (tensor, gradient) in gradients.enumerated() {
      for (index, g) in gradient.enumerated() {
        let f = found[tensor][index]
        let isMeant = scope == .whole || tensor == 0
        let isRight: Bool
        if cell.outcome == .unchanged || !isMeant || coefficient == 1 {
          isRight = bits ? same(f, g) && f.sign == g.sign : same(f, g)
        } else if line.numbers == .huge {
          // Four equal elements: each is half the limit.
          isRight = Closeness.ulps(line.limit / 2, f) <= 2
        } else {
          isRight = same(f, coefficient * g)
        }
        if !isRight { return "element \(index) of tensor \(tensor), \(g), has become \(f)" }
      }
    }
    return nil
  }

  private static func same<T: BinaryFloatingPoint>(_ x: T, _ y: T) -> Bool { x == y || (x.isNaN && y.isNaN) }

  /// A limit that is refused, with the setting's name, before anything is written.
  private static func refusal<S: BLASScalar>(
    _ gradients: [[S]], _ clipping: GradientClipping, _ convention: Convention
  ) throws -> String? {
    let setting = clipping.globalNorm == nil ? "clip norm" : "clip global norm"
    func isRefused(_ body: () throws -> Void) -> Bool {
      do {
        try body()
        return false
      } catch MomentumError.invalidSetting(let refused) {
        return refused.name == setting
      } catch {
        return false
      }
    }
    let memory = gradients.map { GuardedMemory($0) }
    let inPlace = isRefused { try Gradients.clip(memory.map(\.buffer), by: clipping, convention: convention) }
    if !inPlace || memory.map(\.elements) != gradients { return "not refused in place, or written" }
    var run = try EngineRun<S>(gradients, rule: SGD(learningRate: 1, convention: convention))
    run.optimizer.clipping = clipping
    var step = false
    do {
      try run.step(gradients)
    } catch MomentumError.invalidSetting(let refused) {
      step = refused.name == setting
    }
    return step && run.parameters == gradients ? nil : "not refused by a step, or written"
  }

  /// A tensor without a gradient keeps its velocity and its parameters; the others are clipped as if it were not there.
  private static func missing<S: BLASScalar>(
    _ gradients: [[S]], _ clipping: GradientClipping, _ convention: Convention
  ) throws -> String? {
    let rule = try SGD(learningRate: 1, momentum: 0.5, weightDecay: 0.25, convention: convention)
    var run = try EngineRun<S>([[1, 2], [5]], rule: rule, clipping: .none)
    try run.step([[1, 1], [1]])
    let (parameters, velocity) = (run.parameters[1], run.velocity[1])
    run.optimizer.clipping = clipping
    let report = try run.step([[12, -16], nil])
    if run.parameters[1] != parameters || run.velocity[1] != velocity { return "not left alone" }
    if report.totalNorm != 20 { return "the norm of the others is \(report.totalNorm ?? .nan)" }
    return report.wasClipped ? nil : "the others are not clipped"
  }

  /// Unless told otherwise native refuses what is not finite, and the others let it pass.
  private static func defaultPolicy<S: BLASScalar>(
    _ gradients: [[S]], _ clipping: GradientClipping, _ convention: Convention
  ) throws -> String? {
    var run = try EngineRun<S>(
      gradients.map { $0.map { _ in 0 } }, rule: SGD(learningRate: 1, convention: convention), clipping: clipping)
    do {
      try run.step(gradients)
      return convention == .native ? "not refused by default" : nil
    } catch MomentumError.nonFiniteGradient {
      return convention == .native && run.parameters.joined().allSatisfy { $0 == 0 } ? nil : "refused by default"
    }
  }
}
