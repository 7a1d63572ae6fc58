// libFuzzer entry for the parsers of headers and indices; compiled together with Sources/MomentumFiles by Scripts/fuzz.sh, not by the
// package manager. A finding is a trap, a read out of bounds, or a header that breaks what its type promises.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  do throws(SafetensorsError) {
    // A header begins with its length, an index with its text.
    if bytes.first == UInt8(ascii: "{") { return try checkIndex(bytes) }
    let header = try SafetensorsHeader.parse(bytes, file: "input")
    checkConsistent(header, fileBytes: count)
    try checkRewritten(header, from: bytes)
  } catch {
    // The message quotes text of the file.
    precondition(!error.description.utf8.contains(UInt8(ascii: "\n")), "a message of several lines")
  }
  return 0
}

/// No tensor occurs twice, and every file lies in the folder of the index.
private func checkIndex(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) -> CInt {
  let index = try SafetensorsIndex.parse(bytes, file: "input")
  precondition(Set(index.entries.map { ExactText($0.tensor) }).count == index.entries.count, "a tensor twice")
  precondition(Set(index.entries.map { ExactText($0.shard) }).count == index.shards.count, "another number of files")
  for shard in index.shards {
    let parts = shard.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    precondition(parts.allSatisfy { !$0.isEmpty && !$0.elementsEqual("..".utf8) }, "a file elsewhere")
  }
  return 0
}

/// Every tensor has its size, and together they cover the data.
private func checkConsistent(_ header: SafetensorsHeader, fileBytes: Int) {
  var end = 0
  for tensor in header.tensors {
    precondition(tensor.dataRange.lowerBound == end, "a hole or an overlap")
    precondition(tensor.shape.allSatisfy { $0 >= 0 }, "a negative extent")
    // Wrapping, because the extents in front of a zero may have any product.
    precondition(tensor.count == tensor.shape.reduce(1, &*), "a wrong count")
    precondition(tensor.count * tensor.dtype.bitWidth == 8 * tensor.dataRange.count, "a wrong size")
    end = tensor.dataRange.upperBound
  }
  precondition(header.dataStart + end == fileBytes, "the data does not end with the file")
}

/// Writing what was read and reading it again gives the same tensors, data and metadata.
private func checkRewritten(
  _ header: SafetensorsHeader, from bytes: UnsafeRawBufferPointer
) throws(SafetensorsError) {
  var writer = SafetensorsWriter(path: "output", metadata: header.metadata)
  var written: [UInt8] = []
  do throws(SafetensorsError) {
    for tensor in header.tensors {
      try writer.add(tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: data(of: tensor, header, bytes))
    }
    try writer.emit { piece throws(SafetensorsError) in written.append(contentsOf: piece) }
  } catch {
    fatalError("what was read cannot be written: \(error)")
  }
  try written.withUnsafeBufferPointer { content throws(SafetensorsError) in
    let content = UnsafeRawBufferPointer(content)
    let second: SafetensorsHeader
    do throws(SafetensorsError) {
      second = try SafetensorsHeader.parse(content, file: "output")
    } catch {
      fatalError("what was written cannot be read: \(error)")
    }
    precondition(second.metadata == header.metadata, "other metadata")
    precondition(second.dataStart % 8 == 0, "data that is not aligned")
    precondition(second.tensors.count == header.tensors.count, "another number of tensors")
    let originals = Dictionary(uniqueKeysWithValues: header.tensors.map { (ExactText($0.name), $0) })
    for tensor in second.tensors {
      guard let original = originals[ExactText(tensor.name)] else { fatalError("another name") }
      precondition(tensor.dtype == original.dtype && tensor.shape == original.shape, "another type or shape")
      precondition(
        data(of: tensor, second, content).elementsEqual(data(of: original, header, bytes)), "other data")
    }
  }
}

private func data(
  of tensor: SafetensorsTensor, _ header: SafetensorsHeader, _ bytes: UnsafeRawBufferPointer
) -> UnsafeRawBufferPointer {
  let start = header.dataStart
  return UnsafeRawBufferPointer(
    rebasing: bytes[start + tensor.dataRange.lowerBound..<start + tensor.dataRange.upperBound])
}
