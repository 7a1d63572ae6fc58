import MomentumFiles
import MomentumTestSupport
import XCTest

/// Files of other formats, as their programs begin them: they are called what they are, and what to do is said.
final class ForeignFileTests: FolderTestCase {
  private static func zip(first name: String) -> [UInt8] {
    var bytes: [UInt8] = Array("PK\u{3}\u{4}".utf8) + [20, 0] + [UInt8](repeating: 0, count: 20)
    bytes += [UInt8(name.utf8.count), 0, 0, 0] + Array(name.utf8)
    return bytes + Array("content".utf8)
  }

  private static let samples: [(ForeignFile, [UInt8])] = [
    (.empty, []),
    (.zeros, [UInt8](repeating: 0, count: 100_000)),
    (
      .gitLFSPointer,
      Array("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 548105171\n".utf8)
    ),
    (.html, Array("<!DOCTYPE html>\n<html>".utf8)), (.html, Array("\n  <html lang=\"en\">".utf8)),
    (.html, Array("\u{FEFF}<?xml version=\"1.0\"?><Error>AccessDenied</Error>".utf8)),
    (
      .shardIndex,
      Array(#"{"metadata": {"total_size": 4}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}"#.utf8)
    ),
    (.json, Array(#"{"architectures": ["GPT2LMHeadModel"]}"#.utf8)), (.json, Array("[1, 2, 3, 4]".utf8)),
    (.pytorchArchive, zip(first: "archive/data.pkl")), (.pytorchArchive, zip(first: "model/.format_version")),
    (.numpyArchive, zip(first: "weight.npy")), (.zip, zip(first: "metadata.json")),
    (.numpyArray, [0x93] + Array("NUMPY".utf8) + [1, 0, 0x76, 0] + Array("{'descr': '<f4', }".utf8)),
    // Protocols 2 and 4, the latter with its frame.
    (.pickle, [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]),
    (.pickle, [0x80, 4, 0x95, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x7D, 0x94]),
    (.gguf, Array("GGUF".utf8) + [3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
    (.hdf5, [0x89] + Array("HDF\r\n\u{1A}\n".utf8) + [0, 0, 0, 0]),
    // gzip without a name or time: its first bytes are the length of a header that could be.
    (.compressed, [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3, 0x4B, 0x4C]),
    (.compressed, [0xFD] + Array("7zXZ\0\0\u{4}abcd".utf8)), (.compressed, Array("BZh91AY&SY".utf8)),
    (.compressed, [0x28, 0xB5, 0x2F, 0xFD, 0x24, 0, 1, 0, 0]),
    (
      .tar,
      Array("model.safetensors".utf8) + [UInt8](repeating: 0, count: 240) + Array("ustar\0".utf8)
        + [UInt8](repeating: 0, count: 249)
    ),
    (.text, Array("Entry not found".utf8)),
    // Of a long text not all is looked at; the last character that is may be cut off.
    (.text, Array(String(repeating: "é", count: 100_000).utf8)),
    (.text, Array(("a" + String(repeating: "é", count: 100_000)).utf8)),
  ]

  func testEachIsCalledWhatItIs() throws {
    for (file, bytes) in Self.samples {
      assertRefused(bytes, .foreign(file))
      assertThrows(SafetensorsError(file: path("f"), reason: .foreign(file))) {
        _ = try SafetensorsFile(path: store(bytes, as: "f"))
      }
    }
    XCTAssertEqual(Set(Self.samples.map(\.0)), Set(ForeignFile.allCases))
    XCTAssertEqual(
      SafetensorsError(file: "f", reason: .foreign(.gitLFSPointer)).description,
      "f: is a Git LFS pointer, not the file it stands for; fetch the file itself with 'git lfs pull'")
    let words = ForeignFile.allCases.map { "\($0); \($0.advice)" }
    XCTAssertEqual(Set(words).count, words.count)
  }

  /// A safetensors file that is cut short is one, also where the length of its header looks like a signature.
  func testWhatIsCutShortIsNotTakenForAnotherFormat() {
    for length in [0x280, 0x480, 0x8_8B1F] {
      let bytes = Array(fileBytes(header: Array("{".utf8) + [UInt8](repeating: 0x20, count: length - 1)).dropLast())
      assertRefused(bytes, .headerBeyondEnd(length: length, fileBytes: 8 + length - 1))
      assertRefused(Array(bytes.prefix(8)), .headerBeyondEnd(length: length, fileBytes: 8))
    }
    // Nor is what nobody knows.
    let unknown = (1...20).map { UInt8(0x80 + $0) }
    assertRefused(unknown, .headerTooLong(length: 0x8887_8685_8483_8281))
  }

  func testADirectory() {
    assertThrows(SafetensorsError(file: folder, reason: .notRegularFile(kind: "a directory"))) {
      _ = try SafetensorsFile(path: folder)
    }
    XCTAssertEqual(
      SafetensorsError(file: "d", reason: .notRegularFile(kind: "a directory")).description,
      "d: is a directory; expected a regular file, perhaps one in it")
  }

  func testTheCommandSaysSo() throws {
    try store(Array("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\n".utf8), as: "model.safetensors")
    let run = try CommandRun(["norm", path("model.safetensors")])
    XCTAssertEqual(
      run.errors,
      "Error: \(path("model.safetensors")): is a Git LFS pointer, not the file it stands for; "
        + "fetch the file itself with 'git lfs pull'\n")
    XCTAssertNotEqual(run.status, 0)
  }
}
