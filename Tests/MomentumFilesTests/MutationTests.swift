import MomentumFiles
import MomentumTestSupport
import XCTest

/// Damaged files are read to something consistent or refused; they never stop the process.
final class MutationTests: XCTestCase {
  private static let count = 10_000

  private let seeds: [[UInt8]] = {
    let tensor = #""a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#
    let others =
      #""b\u00e9\ud83d\ude00":{"dtype":"F64","shape":[],"data_offsets":[24,32]},"#
      + #""e":{"dtype":"F32","shape":[0,9],"data_offsets":[32,32]},"#
      + #""h":{"dtype":"F4","shape":[4],"data_offsets":[32,34]}"#
    return [
      fileBytes("{}"),
      fileBytes("{\(tensor)}", dataCount: 24),
      fileBytes("{\(tensor),\(others)}   ", dataCount: 34),
      fileBytes("{\"__metadata__\":{\"k\":\"v\",\"\":\"\\n\"},\(tensor)}", dataCount: 24),
      fileBytes("{ \"__metadata__\" : { } , \(tensor) }", dataCount: 24),
      fileBytes(
        "\n {\"__metadata__\":null,\"a\":{\"x\":[1,{\"y\":-1.5e3}],\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}\t",
        dataCount: 4),
    ]
  }()

  func testTheSeedsAreValid() throws {
    for seed in seeds { _ = try parse(seed) }
  }

  func testMutatedFiles() {
    var accepted = 0
    for seed in 0..<UInt64(Self.count) {
      var generator = SeededGenerator(seed: seed)
      let bytes = mutated(using: &generator)
      do {
        let header = try parse(bytes)
        XCTAssertNil(inconsistency(in: header, fileBytes: bytes.count), "seed \(seed)")
        accepted += 1
      } catch {
        XCTAssertEqual(error.file, "test", "seed \(seed)")
      }
    }
    // Were all refused, or none, the mutations would be too coarse or too fine to test anything.
    XCTAssertTrue((100..<Self.count / 2).contains(accepted), "\(accepted) accepted")
  }

  /// The check above can fail.
  func testInconsistenciesAreSeen() throws {
    let bytes = seeds[2]
    let header = try parse(bytes)
    XCTAssertNil(inconsistency(in: header, fileBytes: bytes.count))
    XCTAssertNotNil(inconsistency(in: header, fileBytes: bytes.count + 1))
    for change in [
      { $0.count += 1 }, { $0.shape.append(2) }, { $0.dtype = .u8 }, { $0.dataRange = 0..<25 },
    ] as [(inout SafetensorsTensor) -> Void] {
      var wrong = header
      change(&wrong.tensors[0])
      XCTAssertNotNil(inconsistency(in: wrong, fileBytes: bytes.count))
    }
  }

  private func inconsistency(in header: SafetensorsHeader, fileBytes: Int) -> String? {
    var end = 0
    for tensor in header.tensors {
      guard tensor.dataRange.lowerBound == end else { return "\(tensor.name) does not follow the one before" }
      guard tensor.shape.allSatisfy({ $0 >= 0 }) else { return "\(tensor.name) has a negative extent" }
      guard tensor.count == tensor.shape.reduce(1, &*) else { return "\(tensor.name) has a wrong count" }
      guard tensor.count * tensor.dtype.bitWidth == 8 * tensor.dataRange.count else {
        return "\(tensor.name) has a wrong size"
      }
      end = tensor.dataRange.upperBound
    }
    let names = Set(header.tensors.map { Array($0.name.utf8) })
    guard names.count == header.tensors.count else { return "names are not unique" }
    return header.dataStart + end == fileBytes ? nil : "the data does not end with the file"
  }

  private func mutated(using generator: inout SeededGenerator) -> [UInt8] {
    var bytes = seeds.randomElement(using: &generator)!
    for _ in 0..<Int.random(in: 1...3, using: &generator) {
      let place = Int.random(in: 0...bytes.count, using: &generator)
      switch Int.random(in: 0..<7, using: &generator) {
      case 0 where place < bytes.count:
        bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1:
        bytes.removeSubrange(place...)
      case 2:
        let inserted = (0..<Int.random(in: 1...9, using: &generator)).map { _ in
          UInt8.random(in: 0...255, using: &generator)
        }
        bytes.insert(contentsOf: inserted, at: place)
      case 3 where place < bytes.count:
        bytes[place] = Array("{}[]\",:0123456789-. \\eu".utf8).randomElement(using: &generator)!
      case 4:
        let other = seeds.randomElement(using: &generator)!
        bytes.replaceSubrange(place..., with: other[Int.random(in: 0...other.count, using: &generator)...])
      case 5 where bytes.count >= 8:
        // A right length in front, so that what lies behind is reached.
        let length = UInt64(Int.random(in: 0...(bytes.count - 8), using: &generator))
        bytes.replaceSubrange(..<8, with: withUnsafeBytes(of: length.littleEndian) { Array($0) })
      default:
        let end = Int.random(in: place...bytes.count, using: &generator)
        let piece = bytes[place..<min(end, place + 20)]
        bytes.insert(contentsOf: piece, at: Int.random(in: 0...bytes.count, using: &generator))
      }
    }
    return bytes
  }
}
