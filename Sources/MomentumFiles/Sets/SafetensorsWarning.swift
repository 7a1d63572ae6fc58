/// What is unusual about a checkpoint but does no harm; its text is one line.
public enum SafetensorsWarning: Hashable, Sendable, CustomStringConvertible {
  /// An index that does not give the bytes of all tensors as a plain integer.
  case noTotalSize(index: String)
  /// An index that gives another number of bytes than its files have.
  case otherTotalSize(index: String, stated: Int, found: Int)
  /// A key of an index that means nothing here.
  case unknownKey(index: String, key: String)

  static func all(of index: SafetensorsIndex, path: String, _ shards: [SafetensorsFile]) -> [SafetensorsWarning] {
    var warnings: [SafetensorsWarning] = []
    // The data of a shard cannot exceed its file, so no sum of them overflows.
    let found = shards.reduce(0) { $0 + ($1.tensors.last?.dataRange.upperBound ?? 0) }
    switch index.totalSize {
    case nil: warnings.append(.noTotalSize(index: path))
    case let stated? where stated != found:
      warnings.append(.otherTotalSize(index: path, stated: stated, found: found))
    default: break
    }
    return warnings + index.unknownKeys.map { .unknownKey(index: path, key: $0) }
  }

  public var description: String {
    switch self {
    case .noTotalSize(let index): "\(index): does not give the size of all tensors ('total_size')"
    case .otherTotalSize(let index, let stated, let found):
      "\(index): gives \(stated) bytes as the size of all tensors; they have \(found)"
    case .unknownKey(let index, let key): "\(index): the key \(quoted(key)) is not known, and was not looked at"
    }
  }
}
