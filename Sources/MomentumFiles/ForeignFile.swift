/// What a file is that was taken for a safetensors file, as far as its first bytes tell.
///
/// A file is looked at so when it does not begin with the length of a header and the header's `{`.
public enum ForeignFile: String, CaseIterable, Hashable, Sendable {
  /// Nothing.
  case empty
  /// Zeros, as a file has them whose place on the disk was taken but whose content did not arrive.
  case zeros
  /// What Git has in place of a large file.
  case gitLFSPointer
  /// A page for a browser, often one that says why there is no file.
  case html
  /// The list of the files over which a model is spread.
  case shardIndex
  /// Another text in JSON, the configuration of a model for example.
  case json
  /// PyTorch's archive of pickled objects.
  case pytorchArchive
  /// NumPy's archive of several arrays.
  case numpyArchive
  /// Another zip archive, a Keras model for example.
  case zip
  /// One array of NumPy.
  case numpyArray
  /// Pickled Python objects, which older versions of PyTorch write without an archive.
  case pickle
  /// llama.cpp's format.
  case gguf
  /// The Hierarchical Data Format, of Keras and others.
  case hdf5
  /// A file that gzip, xz, bzip2 or zstd has compressed.
  case compressed
  /// A tar archive.
  case tar
  /// Text, an error message of a server for example.
  case text

  /// What there is to do about it.
  public var advice: String {
    switch self {
    case .empty, .zeros: "fetch or write it again"
    case .gitLFSPointer: "fetch the file itself with 'git lfs pull'"
    case .html, .text: "look at what it says and fetch the file itself"
    case .shardIndex: "give the files that its 'weight_map' names"
    case .json: "expected a safetensors file"
    case .pytorchArchive, .pickle:
      "load it with torch.load(weights_only=True) and save it with safetensors.torch.save_file"
    case .numpyArchive, .numpyArray: "load it with numpy.load and save it with safetensors.numpy.save_file"
    case .zip, .tar: "expected a safetensors file; unpack it if it holds one"
    case .gguf: "convert the checkpoint it was made from"
    case .hdf5: "load it with h5py or Keras and save it with safetensors.numpy.save_file"
    case .compressed: "unpack it first"
    }
  }
}

extension ForeignFile: CustomStringConvertible {
  /// What the file is, as the rest of a sentence about it.
  public var description: String {
    switch self {
    case .empty: "is empty"
    case .zeros: "begins with zeros only, so its content is missing"
    case .gitLFSPointer: "is a Git LFS pointer, not the file it stands for"
    case .html: "is an HTML or XML page"
    case .shardIndex: "is the index of a model in several files"
    case .json: "is a JSON text"
    case .pytorchArchive: "is a PyTorch archive (.pt, .pth, .bin)"
    case .numpyArchive: "is a NumPy archive (.npz)"
    case .zip: "is a zip archive"
    case .numpyArray: "is a NumPy array (.npy)"
    case .pickle: "is a Python pickle (.pkl, .pt, .pth, .bin)"
    case .gguf: "is a GGUF file"
    case .hdf5: "is an HDF5 file (.h5, .hdf5)"
    case .compressed: "is a compressed file"
    case .tar: "is a tar archive"
    case .text: "is a text"
    }
  }
}

extension ForeignFile {
  /// How much of a file is looked at.
  private static let examined = 1 << 16

  private static let signatures: [(ForeignFile, offset: Int, bytes: [UInt8])] = [
    (.gitLFSPointer, 0, Array("version https://git-lfs.github.com/spec/".utf8)),
    (.numpyArray, 0, [0x93] + Array("NUMPY".utf8)),
    (.gguf, 0, Array("GGUF".utf8)),
    (.hdf5, 0, [0x89] + Array("HDF\r\n\u{1A}\n".utf8)),
    (.zip, 0, Array("PK\u{3}\u{4}".utf8)),
    (.compressed, 0, [0x1F, 0x8B, 8]), (.compressed, 0, [0xFD] + Array("7zXZ\0".utf8)),
    (.compressed, 0, Array("BZh".utf8)), (.compressed, 0, [0x28, 0xB5, 0x2F, 0xFD]),
    (.pickle, 0, [0x80, 2]), (.pickle, 0, [0x80, 3]), (.pickle, 0, [0x80, 4]), (.pickle, 0, [0x80, 5]),
    (.tar, 257, Array("ustar".utf8)),
  ]

  /// Tells what a file is that is no safetensors file.
  ///
  /// - Parameter bytes: The file, or at least what it begins with.
  /// - Returns: `nil` if it cannot be seen.
  init?(beginning bytes: UnsafeRawBufferPointer) {
    let bytes = UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.examined))
    if bytes.isEmpty {
      self = .empty
    } else if bytes.count <= 8 {
      return nil
    } else if bytes.allSatisfy({ $0 == 0 }) {
      self = .zeros
    } else if let (file, _, _) = Self.signatures.first(where: { bytes.dropFirst($0.offset).starts(with: $0.bytes) }) {
      self = file == .zip ? Self.archive(bytes) : file
    } else if let text = Self.text(bytes) {
      self = text
    } else {
      return nil
    }
  }

  /// The kind of a zip archive, by the name of its first file.
  private static func archive(_ bytes: UnsafeRawBufferPointer) -> ForeignFile {
    guard bytes.count >= 30 else { return .zip }
    let length = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 26, as: UInt16.self)))
    let name = String(decoding: bytes.dropFirst(30).prefix(length), as: UTF8.self)
    if name.hasSuffix(".npy") { return .numpyArchive }
    // PyTorch's has one folder, called after the file, and in it these.
    let isPyTorch = ["data.pkl", ".format_version", ".storage_alignment", "byteorder"].contains {
      name.hasSuffix("/" + $0)
    }
    return isPyTorch ? .pytorchArchive : .zip
  }

  /// The kind of a text, if all of what is looked at is one.
  private static func text(_ bytes: UnsafeRawBufferPointer) -> ForeignFile? {
    // The last character may be cut off.
    let whole = bytes.dropLast(bytes.count < examined ? 0 : bytes.reversed().prefix { $0 >= 0x80 }.count)
    let isText = whole.allSatisfy { $0 >= 0x20 && $0 != 0x7F || (9...13).contains($0) || $0 == 0x1B }
    guard isText, String(validating: whole, as: UTF8.self) != nil else { return nil }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let content = bytes.dropFirst(bytes.starts(with: mark) ? mark.count : 0).drop { JSONScanner.isSpace($0) }
    switch content.first {
    case UInt8(ascii: "<"): return .html
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      return String(decoding: content, as: UTF8.self).contains("\"weight_map\"") ? .shardIndex : .json
    default: return .text
    }
  }
}
