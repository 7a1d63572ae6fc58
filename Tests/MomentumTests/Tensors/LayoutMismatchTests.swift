import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Vectors, sums of gradients and states of another layout: one policy, and an error that names the first tensor that
/// differs.
final class LayoutMismatchTests: XCTestCase {
  private static let tensors = [("weight", [2, 3]), ("bias", [2])]

  /// Layouts of as many elements as that of the optimizer, and what each error says behind the owner's name.
  private static let others: [(tensors: [(String, [Int])], text: String)] = [
    ([("bias", [2]), ("weight", [2, 3])], "'bias' of shape [2]; expected 'weight' of shape [2, 3]"),
    ([("weight", [3, 2]), ("bias", [2])], "'weight' of shape [3, 2]; expected 'weight' of shape [2, 3]"),
    ([("weight", [6]), ("bias", [2])], "'weight' of shape [6]; expected 'weight' of shape [2, 3]"),
    ([("weight", [2, 3]), ("Bias", [2])], "'Bias' of shape [2]; expected 'bias' of shape [2]"),
    ([("weight", [2, 3]), ("bias", [1]), ("more", [1])], "'bias' of shape [1]; expected 'bias' of shape [2]"),
    ([("weight", [2, 3]), ("bias", [2]), ("more", [0])], "'more' of shape [0]; expected 2 tensors"),
    ([("weight", [2, 3])], "missing; expected 'bias' of shape [2]"),
  ]

  private func position(_ text: String) -> Int {
    if text.hasPrefix("'more'") { return 2 }
    return text.hasPrefix("'Bias'") || text.hasSuffix("'bias' of shape [2]") ? 1 : 0
  }

  func testEveryOwnerOfALayout() throws {
    let layout = try ParameterLayout(Self.tensors)
    let rule = try SGD(learningRate: 0.5, momentum: 0.5)
    var optimizer = try Optimizer<Double>(layout, rule: rule)
    var parameters = try ParameterVector<Double>(layout)
    var gradients = try ParameterVector<Double>(layout)
    gradients.fill(1)
    try optimizer.step(&parameters, gradients: gradients)
    let before = optimizer.state()
    for (tensors, text) in Self.others {
      let other = try ParameterLayout(tensors)
      func says(_ what: String) -> String { "tensor \(position(text)) of the \(what) is \(text)" }
      var wrong = try ParameterVector<Double>(other)
      expect(says("parameters")) { try optimizer.step(&wrong, gradients: gradients) }
      expect(says("gradients")) { try optimizer.step(&parameters, gradients: wrong) }

      var accumulator = try GradientAccumulator<Double>(layout)
      expect(says("gradients")) { try accumulator.add(wrong) }
      XCTAssertEqual(accumulator.count, 0)
      try accumulator.add(gradients)
      expect(says("parameters")) { try optimizer.step(&wrong, gradients: &accumulator) }
      var foreign = try GradientAccumulator<Double>(other)
      try foreign.add(wrong)
      expect(says("accumulated gradients")) { try optimizer.step(&parameters, gradients: &foreign) }

      var source = try Optimizer<Double>(other, rule: rule)
      var own = try ParameterVector<Double>(other)
      try source.step(&own, gradients: wrong)
      expect(says("state")) { try optimizer.restore(source.state()) }
      let stored = try JSONDecoder().decode(
        OptimizerState<Double>.self, from: JSONEncoder().encode(source.state()))
      expect(says("state")) { try optimizer.restore(stored) }
      XCTAssertEqual(optimizer.state(), before)
      for index in 0..<other.count { XCTAssertEqual(wrong[index], 0) }
    }
  }

  func testAnEqualLayoutIsTheSame() throws {
    var optimizer = try Optimizer<Double>(ParameterLayout(Self.tensors), rule: SGD(learningRate: 0.5, momentum: 0.5))
    var parameters = try ParameterVector<Double>(ParameterLayout(Self.tensors))
    var accumulator = try GradientAccumulator<Double>(ParameterLayout(Self.tensors))
    try accumulator.add(ParameterVector<Double>(ParameterLayout(Self.tensors)))
    try optimizer.step(&parameters, gradients: &accumulator)
    let twin = try Optimizer<Double>(ParameterLayout(Self.tensors), rule: SGD(learningRate: 1)).state()
    XCTAssertNoThrow(try optimizer.restore(twin))
  }

  func testAVectorWithoutNamesFitsByItsCount() throws {
    var optimizer = try Optimizer<Double>(ParameterLayout(Self.tensors), rule: SGD(learningRate: 0.5))
    var parameters = try ParameterVector((0..<8).map { Double($0) })
    try optimizer.step(&parameters, gradients: ParameterVector([Double](repeating: 2, count: 8)))
    XCTAssertEqual(parameters[7], 6)
    expect("gradients has count 7; expected 8") {
      try optimizer.step(&parameters, gradients: ParameterVector([Double](repeating: 2, count: 7)))
    }
    // What is kept tensor by tensor needs the tensors.
    var accumulator = try GradientAccumulator<Double>(ParameterLayout(count: 8))
    try accumulator.add(ParameterVector([Double](repeating: 2, count: 8)))
    expect("tensor 0 of the accumulated gradients is 'parameters' of shape [8]; expected 'weight' of shape [2, 3]") {
      try optimizer.step(&parameters, gradients: &accumulator)
    }
  }

  func testNamesAreBytes() throws {
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
    XCTAssertEqual(composed, decomposed, "as Swift compares them")
    let layout = try ParameterLayout([(composed, [1]), (decomposed, [1])])
    XCTAssertEqual([composed, decomposed].map { layout.index(of: $0) }, [0, 1])
    XCTAssertEqual(try layout.tensor(named: decomposed).offset, 1)
    let other = try ParameterLayout([(decomposed, [1]), (composed, [1])])
    XCTAssertNotEqual(layout, other)
    XCTAssertNotEqual(layout.tensors[0], ParameterLayout.Tensor?.none)
    XCTAssertEqual(Set([layout, other]).count, 2)
    XCTAssertEqual(
      try JSONDecoder().decode(ParameterLayout.self, from: JSONEncoder().encode(layout)), layout)
    var optimizer = try Optimizer<Double>(
      layout, rule: SGD(learningRate: 1), groups: [ParameterGroup("one", [decomposed], rule: SGD(learningRate: 2))])
    var parameters = try ParameterVector<Double>(layout)
    try optimizer.step(&parameters, gradients: ParameterVector([1, 1]))
    XCTAssertEqual([parameters[0], parameters[1]], [-1, -2])
    XCTAssertThrowsError(try optimizer.restore(OptimizerState(other))) {
      XCTAssertEqual(
        $0 as? MomentumError,
        .layoutMismatch(
          LayoutMismatch(
            what: "state", position: 0, found: .init(name: decomposed, shape: [1]),
            expected: .init(name: composed, shape: [1]))))
    }
  }

  func testAStateOfVersion01SaysNothingOfTensors() throws {
    let text = #"""
      {"stepCount": 3, "lastStepClipped": false, "velocities": [{"scale": 0.5, "isSet": true, "keepsLearningRate": false}],
       "direction": [2, 4], "averages": [{"scale": 1, "count": 0}], "average": [], "lossScale": 1}
      """#
    let state = try JSONDecoder().decode(OptimizerState<Double>.self, from: Data(text.utf8))
    XCTAssertNil(state.layout)
    var optimizer = try Optimizer<Double>(ParameterLayout([("w", [2])]), rule: SGD(learningRate: 1, momentum: 0.5))
    try optimizer.restore(state)
    XCTAssertEqual(optimizer.withUnsafeVelocity(ofTensor: 0) { Array($0) }, [1, 2])
    XCTAssertEqual(optimizer.state().velocities[0].scale, 0.5, "reading does not fold")
  }
}
