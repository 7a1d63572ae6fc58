import Momentum

// One clipped step. The gradient (3, 4, 0) has the norm 5 and is clipped to 2.5, so it counts by half; the learning rate
// halves it again. All of these numbers are exact.
let layout = try ParameterLayout([("weight", [2]), ("bias", [1])])
var parameters = try ParameterVector<Float>(layout)
var gradients = try ParameterVector<Float>(layout)
for i in 0..<3 {
  parameters[i] = Float(i + 1)
  gradients[i] = [3, 4, 0][i]
}
var optimizer = try Optimizer<Float>(
  layout, rule: SGD(learningRate: 0.5, momentum: 0.5), clipping: .byGlobalNorm(2.5))
let report = try optimizer.step(&parameters, gradients: gradients)
let result = (0..<3).map { parameters[$0] }
guard let norm = report.totalNorm, norm == 5, report.clipCoefficient == 0.5 else {
  fatalError("expected the norm 5 and the coefficient 0.5, found \(report)")
}
print("norm \(norm), coefficient \(report.clipCoefficient), parameters \(result)")
precondition(result == [0.25, 1, 3], "expected the parameters [0.25, 1, 3]")
