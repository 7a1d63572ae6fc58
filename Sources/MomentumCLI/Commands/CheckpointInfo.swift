import MomentumFiles

/// What `momentum info` says of a checkpoint.
struct CheckpointInfo: Encodable {
  struct File: Encodable {
    let path: String
    let tensors: Int
    let bytes: Int
    let metadata: [String: String]
  }

  struct Tensor: Encodable {
    let name: String
    let type: String
    let shape: [Int]
    let elements: Int
    let bytes: Int
    let file: String
  }

  /// All tensors of one type.
  struct Total: Encodable {
    let type: String
    private(set) var tensors = 0
    private(set) var elements = 0
    private(set) var bytes = 0

    init(_ type: String) { self.type = type }

    mutating func add(_ tensor: SafetensorsTensor) {
      tensors += 1
      // The shapes of a million empty tensors could add up to any number.
      elements = elements.addingReportingOverflow(tensor.count).partialValue
      bytes += tensor.dataRange.count
    }
  }

  let files: [File]
  let tensors: [Tensor]
  /// In the order of the types' first tensors.
  let types: [Total]
  let bytes: Int
  let warnings: [String]

  init(_ set: SafetensorsSet) {
    files = set.files.map { file in
      File(
        path: file.path, tensors: file.tensors.count, bytes: file.tensors.last?.dataRange.upperBound ?? 0,
        metadata: Dictionary(file.metadata.map { ($0.key, $0.value) }) { first, _ in first })
    }
    tensors = set.tensors.map { place in
      Tensor(
        name: place.tensor.name, type: place.tensor.dtype.rawValue, shape: place.tensor.shape,
        elements: place.tensor.count, bytes: place.tensor.dataRange.count, file: place.file.path)
    }
    var types: [Total] = []
    for place in set.tensors {
      let type = place.tensor.dtype.rawValue
      let index = types.firstIndex { $0.type == type } ?? types.count
      if index == types.count { types.append(Total(type)) }
      types[index].add(place.tensor)
    }
    self.types = types
    bytes = files.reduce(0) { $0 + $1.bytes }
    warnings = set.warnings.map(\.description)
  }

  /// Tables of the tensors, of the files if there are several, and of the types.
  var text: String {
    let hasFiles = files.count > 1
    let names = files.indices.reduce(into: [String: String]()) { $0[files[$1].path] = "\($1 + 1)" }
    var parts = [
      TextTable.text(
        ["tensor", "type", "shape", "bytes"] + (hasFiles ? ["file"] : []),
        tensors.map { tensor in
          [tensor.name, tensor.type, "\(tensor.shape)", "\(tensor.bytes)"]
            + (hasFiles ? [names[tensor.file] ?? ""] : [])
        }, leftColumns: [0, 1, 2])
    ]
    if hasFiles {
      parts.append(
        TextTable.text(
          ["file", "tensors", "bytes", "path"],
          files.enumerated().map { ["\($0 + 1)", "\($1.tensors)", "\($1.bytes)", $1.path] }, leftColumns: [3]))
    }
    let all = ["all", "\(tensors.count)", "\(types.reduce(0) { $0 &+ $1.elements })", "\(bytes)"]
    parts.append(
      TextTable.text(
        ["type", "tensors", "elements", "bytes"],
        types.map { [$0.type, "\($0.tensors)", "\($0.elements)", "\($0.bytes)"] } + [all], leftColumns: [0]))
    return parts.joined(separator: "\n\n")
  }
}
