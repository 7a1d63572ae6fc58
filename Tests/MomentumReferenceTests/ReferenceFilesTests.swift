import Foundation
import MomentumReference
import XCTest

final class ReferenceFilesTests: XCTestCase {
  /// A copy of the committed files that a test may damage.
  private func copiedFixtures() throws -> URL {
    let copy = FileManager.default.temporaryDirectory.appending(path: "fixtures-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: ReferenceFixtures.locate(), to: copy)
    addTeardownBlock { try FileManager.default.removeItem(at: copy) }
    return copy
  }

  func testCommittedFilesAreRead() throws {
    let fixtures = try ReferenceFixtures(folder: ReferenceFixtures.locate())
    XCTAssertEqual(Set(fixtures.blas.map(\.operation)), Set(BLASCase.Operation.allCases))
    XCTAssertEqual(fixtures.grid.count, 20)
    XCTAssertEqual(fixtures.golden.count, 3)
    XCTAssertGreaterThan(fixtures.norms.count, 200)
    XCTAssertGreaterThan(fixtures.clips.count, 500)
    XCTAssertGreaterThan(fixtures.updates.count, 200)
    XCTAssertEqual(Set(fixtures.clips.map(\.convention)), ["native", "pytorch", "keras", "optax", "mlx"])
  }

  func testOneChangedByteInAnyFileIsNoticed() throws {
    let folder = try copiedFixtures()
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".json") || $0 == ReferenceManifest.fileName }
    XCTAssertEqual(files.count, 8)
    for file in files {
      let url = folder.appending(path: file)
      let original = try Data(contentsOf: url)
      // The last digit of the file: in the JSON files, the end of the last value.
      let place = try XCTUnwrap(original.lastIndex { (48...57).contains($0) })
      var changed = original
      changed[place] = original[place] == 49 ? 50 : 49
      try changed.write(to: url)
      XCTAssertThrowsError(try ReferenceFixtures(folder: folder), file) { error in
        guard let error = error as? ReferenceError else { return XCTFail("\(error)") }
        switch error {
        case .changed(let name, _, _) where file != ReferenceManifest.fileName: XCTAssertEqual(name, file)
        case .changed where file == ReferenceManifest.fileName: break
        case .unreadable where file == ReferenceManifest.fileName: break
        default: XCTFail("\(file): \(error)")
        }
        XCTAssertTrue(error.description.contains("Scripts/make-reference.sh"), error.description)
      }
      try original.write(to: url)
    }
    XCTAssertNoThrow(try ReferenceFixtures(folder: folder))
  }

  func testMissingAndUnlistedFilesAreNoticed() throws {
    let folder = try copiedFixtures()
    let extra = folder.appending(path: "extra.json")
    try Data("{}".utf8).write(to: extra)
    XCTAssertThrowsError(try ReferenceFixtures(folder: folder)) {
      XCTAssertEqual($0 as? ReferenceError, .notInManifest(file: "extra.json"))
    }
    try FileManager.default.removeItem(at: extra)
    try FileManager.default.removeItem(at: folder.appending(path: "clip.json"))
    XCTAssertThrowsError(try ReferenceFixtures(folder: folder)) {
      guard case .unreadable(file: "clip.json", _)? = $0 as? ReferenceError else { return XCTFail("\($0)") }
    }
  }

  func testAFolderWithoutManifestIsRefused() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "no-fixtures-\(UUID().uuidString)")
    XCTAssertThrowsError(try ReferenceFixtures(folder: folder)) {
      guard case .unreadable(file: ReferenceManifest.fileName, _)? = $0 as? ReferenceError else {
        return XCTFail("\($0)")
      }
    }
  }

  func testAnotherFormatVersionIsRefused() throws {
    let url = try ReferenceFixtures.locate().appending(path: "reproblas.json")
    let text = try String(contentsOf: url, encoding: .utf8)
    XCTAssertNoThrow(try ReferenceFile<GoldenCase>(Data(text.utf8), file: "reproblas.json"))
    let newer = text.replacingOccurrences(of: "\"format\": 1", with: "\"format\": 2")
    XCTAssertThrowsError(try ReferenceFile<GoldenCase>(Data(newer.utf8), file: "reproblas.json")) {
      XCTAssertEqual($0 as? ReferenceError, .otherFormat(file: "reproblas.json", found: 2, expected: 1))
      XCTAssertTrue("\($0)".contains("Scripts/make-reference.sh"), "\($0)")
    }
  }

  func testAMalformedNumberIsRefusedWithItsPlace() {
    let text = """
      {"format":1,"generator":"","origin":"","libraries":{},"cases":[{"name":"","scalar":"float",
      "input":{"kind":"values","count":1,"values":["0x1p+"],"fnv1a":""},"norms":{}}]}
      """
    XCTAssertThrowsError(try ReferenceFile<NormCase>(Data(text.utf8), file: "norms.json")) {
      let cause = "at cases.0.input.values.0: '0x1p+' is no floating-point number"
      XCTAssertEqual($0 as? ReferenceError, .unreadable(file: "norms.json", cause: cause))
    }
  }
}
