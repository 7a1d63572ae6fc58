import Momentum
import XCTest

/// The code of the documentation of matrices; see `DocumentationSnippets`.
final class DocumentationSnippetsOfMatrices: XCTestCase {
  func testOrthogonalize() throws {
    // snippet
    var matrix: [Float] = [3, 0, 0, 0, 0, 4]
    try matrix.withUnsafeMutableBufferPointer {
      try NewtonSchulz.jordan().orthogonalize(BLAS.MutableMatrix($0.baseAddress, rows: 2, columns: 3))
    }
    // the first and the last element are near 1, the others are 0
    // end
    XCTAssertEqual(matrix[0], 1, accuracy: 0.32)
    XCTAssertEqual(matrix[5], 1, accuracy: 0.32)
    XCTAssertEqual(matrix[1...4], [0, 0, 0, 0])
  }

  func testMethod() throws {
    // snippet
    let rule = try Muon(learningRate: 0.02, method: .polarExpress(steps: 8))
    // end
    XCTAssertEqual(rule.method, .newtonSchulz(.polarExpress(steps: 8)))
  }

  func testSpectralNorm() throws {
    // snippet
    let matrix: [Float] = [3, 0, 0, 0, 0, 4]
    let norm = try matrix.withUnsafeBufferPointer {
      try Gradients.spectralNorm(of: BLAS.Matrix($0.baseAddress, rows: 2, columns: 3))
    }
    let coefficient = norm.coefficient(limit: 1)  // 0.25, or just below
    // end
    XCTAssertEqual(coefficient, 0.25, accuracy: 1e-6)
    XCTAssertLessThanOrEqual(coefficient, 0.25)
  }
}
