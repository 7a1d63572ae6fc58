import MomentumFiles
import XCTest

@testable import MomentumCLI

final class ShardProgressTests: XCTestCase {
  func testMegabytesOfGroupsAndFilesAddUp() {
    var (shown, notes, ended) = ([Int](), [String](), 0)
    let progress = ShardProgress(
      ["a", "b\n"], [2_500_000, 1_600_000],
      show: {
        shown.append($0)
        notes.append($1)
      }, end: { ended += 1 })
    func tensor(_ bytes: Int) -> SafetensorsTensor {
      SafetensorsTensor(name: "t", dtype: .u8, shape: [bytes], count: bytes, dataRange: 0..<bytes)
    }
    progress.advance([tensor(900_000), tensor(400_000)], ofFile: 0)
    progress.advance([tensor(600_000)], ofFile: 0)
    progress.finished(0)
    progress.finished(1)
    progress.finish()
    XCTAssertEqual(shown, [1, 0, 1, 2])
    XCTAssertEqual(notes, ["a", "a", "a", "b\\n"])
    XCTAssertEqual(ended, 1)
  }
}
