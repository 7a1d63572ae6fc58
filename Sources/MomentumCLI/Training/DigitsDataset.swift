import Foundation

/// The handwritten digits that come with the command: 1797 images of 8 × 8 pixels of 0 to 16.
///
/// E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
/// DOI 10.24432/C50P49, CC BY 4.0. The form of the file is described beside it in `digits-attribution.txt`.
struct DigitsDataset: Sendable {
  static let classCount = 10
  static let largestPixel = 16

  /// All pixels, image by image, row by row.
  let pixels: [UInt8]
  let labels: [UInt8]
  let pixelsPerImage: Int

  /// The numbers of the images to learn from and to test with.
  let trainingImages: [Int]
  let testImages: [Int]

  /// Where the data come from and what may be done with them.
  static var attribution: URL? { Bundle.module.url(forResource: "digits-attribution", withExtension: "txt") }

  /// The file that is part of the command.
  static func bundled() throws -> DigitsDataset {
    guard let url = Bundle.module.url(forResource: "digits", withExtension: "bin") else {
      throw DataFileError(file: "digits.bin", cause: "is missing from the resources of the command")
    }
    return try DigitsDataset(contentsOf: url)
  }

  /// Reads a file and checks its every byte.
  init(contentsOf url: URL) throws {
    let data: Data
    do { data = try Data(contentsOf: url) } catch {
      throw DataFileError(file: url.path, cause: "cannot be read: \(error.localizedDescription)")
    }
    try self.init([UInt8](data), file: url.path)
  }

  init(_ bytes: [UInt8], file: String) throws {
    func fail(_ cause: String) -> DataFileError { DataFileError(file: file, cause: cause) }
    let header = 16
    guard bytes.count >= header, bytes.starts(with: Array("DIGITS".utf8) + [0, 1]) else {
      throw fail("is not a digits file of version 1: its first 8 bytes are not DIGITS, 0, 1")
    }
    func littleEndian(_ range: Range<Int>) -> Int { range.reversed().reduce(0) { $0 << 8 | Int(bytes[$1]) } }
    let count = littleEndian(8..<12)
    let (width, height) = (littleEndian(12..<14), littleEndian(14..<16))
    guard count > 0, width == 8, height == 8 else {
      throw fail("holds \(count) images of \(width) x \(height) pixels; expected some of 8 x 8")
    }
    let size = width * height
    let expected = header + count * (size + 1)
    guard bytes.count == expected else {
      throw fail("has \(bytes.count) bytes; \(count) images of \(size) pixels take \(expected)")
    }
    let pixels = Array(bytes[header..<header + count * size])
    let labels = Array(bytes[(header + count * size)...])
    if let bad = pixels.firstIndex(where: { $0 > Self.largestPixel }) {
      throw fail("pixel \(bad % size) of image \(bad / size) is \(pixels[bad]); expected 0 to \(Self.largestPixel)")
    }
    if let bad = labels.firstIndex(where: { $0 >= Self.classCount }) {
      throw fail("label of image \(bad) is \(labels[bad]); expected 0 to \(Self.classCount - 1)")
    }
    (self.pixels, self.labels, pixelsPerImage) = (pixels, labels, size)
    // The images of one writer follow each other. Mixed once, with a seed that never changes, both parts hold all
    // writers.
    let order = RandomStream.mixed(count)
    let split = count * 4 / 5
    trainingImages = Array(order[..<split])
    testImages = Array(order[split...])
  }
}

extension RandomStream {
  /// The one order that divides the images into training and test images.
  fileprivate static func mixed(_ count: Int) -> [Int] {
    var generator = RandomStream(0xD161_7500)
    return generator.permutation(count)
  }
}
