import Momentum
import XCTest

/// More of the code of the doc comments: reports of groups, schedules, the velocity's memory, migration.
extension DocumentationSnippets {
  func testReportsOfGroups() throws {
    let layout = try ParameterLayout([("weight", [1]), ("bias", [1])])
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.1, momentum: 0.9),
      groups: [ParameterGroup("biases", ["bias"], clipping: .byGlobalNorm(1), learningRateFactor: 2)])
    var parameters = try ParameterVector<Float>(layout)
    try optimizer.step(&parameters, gradients: ParameterVector([3 as Float, 4]))
    // snippet
    for group in optimizer.groupReports() { print(group) }
    // no group, 1 tensor: norm 3.0, not clipped, learning rate 0.1, momentum 0.9
    // group 'biases', 1 tensor: norm 4.0, clipped by 0.25, learning rate 0.2, momentum 0.9
    // end
    XCTAssertEqual(
      optimizer.groupReports().map { "\($0)" },
      [
        "no group, 1 tensor: norm 3.0, not clipped, learning rate 0.1, momentum 0.9",
        "group 'biases', 1 tensor: norm 4.0, clipped by 0.25, learning rate 0.2, momentum 0.9",
      ])
  }

  func testSchedulesAlone() throws {
    // snippet
    let rule = try SGD.scheduled(
      learningRate: .cosine(initial: 0.1, steps: 10_000), momentum: .constant(0.9), weightDecay: 1e-4)
    // end
    XCTAssertEqual(try rule.resolved(at: 5_000)?.conversionRate, 0.05)
    XCTAssertEqual(rule.reportedMomentum, 0.9)
  }

  func testMemoryOfTheVelocity() throws {
    let layout = try ParameterLayout(count: 2)
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1, momentum: 0.9))
    // snippet
    let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: layout.count)
    try optimizer.placeVelocity(in: memory) { $0.deallocate() }
    // end
    var parameters = try ParameterVector<Float>(layout)
    try optimizer.step(&parameters, gradients: ParameterVector([3 as Float, 4]))
    optimizer.foldVelocity()
    XCTAssertEqual(Array(memory), [3, 4])
  }

  func testMigrationOfAState() throws {
    let saved = try Optimizer<Float>(ParameterLayout([("body", [2])]), rule: SGD(learningRate: 0.1)).state()
    let layout = try ParameterLayout([("body", [2]), ("head.bias", [1])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.1))
    // snippet
    let (state, migration) = try saved.migrated(to: optimizer.layout)
    print(migration)  // added 'head.bias'; dropped nothing
    try optimizer.restore(state)
    // end
    XCTAssertEqual("\(migration)", "added 'head.bias'; dropped nothing")
  }
}
