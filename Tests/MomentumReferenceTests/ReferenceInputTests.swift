import Foundation
import MomentumReference
import XCTest

final class ReferenceInputTests: XCTestCase {
  /// The first numbers of the published C program for the seed 1234567.
  func testSplitMix64GivesThePublishedNumbers() {
    var draws = SplitMix64(seed: 1_234_567)
    let published: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
      16_408_922_859_458_223_821,
    ]
    XCTAssertEqual(published.map { _ in draws.next() }, published)
  }

  func testFNV1aGivesThePublishedDigests() {
    XCTAssertEqual(FNV1a("".utf8).text, "0xcbf29ce484222325")
    XCTAssertEqual(FNV1a("a".utf8).text, "0xaf63dc4c8601ec8c")
    XCTAssertEqual(FNV1a("foobar".utf8).text, "0x85944171f73967e8")
  }

  /// Every vector of every file, made here, has the checksum that the Python generator stored.
  func testEveryRecipeReproducesItsChecksum() throws {
    let fixtures = try ReferenceFixtures(folder: ReferenceFixtures.locate())
    var recipes = fixtures.norms.map { ($0.input, $0.scalar) } + fixtures.golden.map { ($0.input, $0.scalar) }
    recipes += fixtures.grid.map { ($0.unit, $0.scalar) }
    for test in fixtures.peers.steps + fixtures.peers.averages {
      recipes += (test.parameters + test.phases.flatMap { $0.gradients.compactMap { $0 } }).map { ($0, test.scalar) }
    }
    for test in fixtures.peers.clips { recipes += test.tensors.map { ($0, test.scalar) } }
    for update in fixtures.updates {
      recipes.append((update.parameters, update.scalar))
      recipes += update.steps.map { ($0.gradient, update.scalar) }
    }
    for (recipe, scalar) in recipes {
      if scalar == Float.referenceName {
        XCTAssertEqual(try recipe.elements(as: Float.self).count, recipe.count)
      } else {
        XCTAssertEqual(try recipe.elements(as: Double.self).count, recipe.count)
      }
    }
    let kinds: Set<ReferenceInput.Kind> = [.values, .constant, .uniform, .signed, .normal, .bits, .growing, .sine]
    XCTAssertEqual(Set(recipes.map(\.0.kind)), kinds)
  }

  func testAnotherSeedIsNoticed() throws {
    let fixtures = try ReferenceFixtures(folder: ReferenceFixtures.locate())
    var recipe = try XCTUnwrap(fixtures.norms.first { $0.input.kind == .signed }).input
    recipe.seed = "0x0000000000000001"
    XCTAssertThrowsError(try recipe.elements(as: Float.self)) {
      guard case .otherInput? = $0 as? ReferenceError else { return XCTFail("\($0)") }
    }
  }

  func testErrorsAreMeasuredBelowHalfAnUlp() throws {
    let json = """
      {"class":"finite","significand":"0x1p+0","tail":"0x1p-55","exponent":3,"double":"0x1p+3","float":"0x1p+3"}
      """
    let value = try JSONDecoder().decode(ExactValue.self, from: Data(json.utf8))
    XCTAssertEqual(value.error(of: 8, inUlpsOf: Double.self), 0.125)
    XCTAssertEqual(value.error(of: (8.0).nextUp, inUlpsOf: Double.self), 0.875)
    XCTAssertEqual(value.error(of: Double(Float(8).nextUp), inUlpsOf: Float.self), 1, accuracy: 1e-8)
    XCTAssertEqual(value.error(of: .nan, inUlpsOf: Double.self), .infinity)
    XCTAssertEqual(value.error(of: 0, inUlpsOf: Float.self), 0x1p23, accuracy: 1e-6)
  }
}
