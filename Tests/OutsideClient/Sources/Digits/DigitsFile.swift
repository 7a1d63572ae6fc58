import Foundation

/// Images of handwritten digits, 8 × 8 pixels each, and what they show.
struct DigitsFile {
  static let pixelCount = 64

  /// Pixels from 0 to 1, image by image.
  let pixels: [Float]
  let labels: [Int]

  /// Reads a file: 8 bytes of magic number, the count in 4 bytes, width and height in 2 each; pixels from 0 to 16, labels.
  init(_ path: String) throws {
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    let header = 16
    let count = (bytes.count - header) / (Self.pixelCount + 1)
    guard bytes.starts(with: Array("DIGITS".utf8)), bytes.count == header + count * (Self.pixelCount + 1) else {
      throw CocoaError(.fileReadCorruptFile, userInfo: [NSFilePathErrorKey: path])
    }
    let firstLabel = header + count * Self.pixelCount
    pixels = bytes[header..<firstLabel].map { Float($0) / 16 }
    labels = bytes[firstLabel...].map { Int($0) }
  }
}
