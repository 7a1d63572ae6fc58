import Foundation
import MomentumFiles
import MomentumTestSupport
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

  /// Elements of tensors of all sizes are bytes of the files that they are in.
  func testElementsAreBytesOfTheirFiles() {
    var (shown, ended) = ([String](), 0)
    let progress = ShardProgress(
      ["a", "b", "c"], [4_000_000, 3_000_000, 1_000_000], show: { shown.append("\($1) \($0)") }, end: { ended += 1 })
    func tensor(_ dtype: SafetensorsDtype, _ count: Int) -> SafetensorsTensor {
      SafetensorsTensor(
        name: "t", dtype: dtype, shape: [count], count: count, dataRange: 0..<count * dtype.bitWidth / 8)
    }
    // The third file has nothing that is counted, and the second one more than what is.
    let tell = progress.elements([
      [tensor(.f32, 500_000), tensor(.f32, 0), tensor(.bf16, 1_000_000)], [tensor(.f64, 250_000)], [],
    ])
    for count in [250_000, 500_000, 750_000, 200_000, 50_000, 99] { tell(count) }
    XCTAssertEqual(shown, ["a 1", "a 1", "a 0", "a 2", "b 1", "b 1"])
    progress.finished(0)
    progress.finish()
    XCTAssertEqual(shown.last, "c 2")
    XCTAssertEqual(ended, 1)
  }

  #if os(Linux)
    /// What is long counts by the sizes of files. Most of this one takes no place on the disk, and is passed by.
    func testALongNormShowsHowFarItHasCome() throws {
      try TensorFolder<Float>.with { folder in
        for (count, line) in [(1_200_000_000, "100 %  1200/1200 MB"), (1000, "")] {
          let header =
            #"{"i":{"dtype":"U8","shape":[\#(count)],"data_offsets":[8,\#(count + 8)]},"#
            + #""w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
          let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
          try (length + Data(header.utf8)).write(to: URL(fileURLWithPath: folder.path("big")))
          let file = try XCTUnwrap(FileHandle(forWritingAtPath: folder.path("big")))
          try file.truncate(atOffset: UInt64(16 + header.utf8.count + count))
          try file.close()
          let run = try folder.run(["norm", "big"])
          XCTAssertEqual(run.output, "norm 0.0  0x0p+0\nwithout 1 tensor of integers: 'i' (U8)\n")
          XCTAssertTrue(run.errors.hasPrefix(line) && run.errors.isEmpty == line.isEmpty, run.errors)
          XCTAssertFalse(run.errors.contains("\r"), "a bar is for terminals")
        }
      }
    }
  #endif
}
