internal import Momentum
internal import XCTest

/// Expects a `MomentumError` with exactly this text.
public func expect<R>(
  _ text: String, file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> R
) {
  do {
    _ = try body()
    XCTFail("not refused: \(text)", file: file, line: line)
  } catch let error as MomentumError {
    XCTAssertEqual(error.description, text, file: file, line: line)
  } catch {
    XCTFail("\(error) is no MomentumError", file: file, line: line)
  }
}
