/// The number of elements moved to and from main memory for each parameter. A tile stays in cache while its program
/// runs, so an operand counts once for reading and once for writing, however often the program uses it.
public struct MemoryTraffic: Sendable, Hashable {
  /// Elements read for each parameter.
  public var reads: Int
  /// Elements written for each parameter.
  public var writes: Int
  /// Both together, in elements for each parameter.
  public var words: Int { reads + writes }
}

extension StepProgram {
  /// The program's memory traffic for each parameter.
  public var traffic: MemoryTraffic {
    var (read, written): (Set<Operand>, Set<Operand>) = ([], [])
    for operation in operations {
      switch operation {
      case .axpy(_, let from, let into):
        read.formUnion([from, into])
        written.insert(into)
      case .averageSquares(_, _, let from, let into), .divideByRoot(let from, _, let into):
        read.formUnion([from, into])
        written.insert(into)
      case .transform:
        read.insert(.update)
        written.insert(.update)
      case .scal(_, let vector), .sign(let vector):
        read.insert(vector)
        written.insert(vector)
      case .copy(let from, let into):
        read.insert(from)
        written.insert(into)
      case .clearNonFinite(let inPlace), .clamp(_, _, let inPlace), .scaleUnits(_, let inPlace):
        read.insert(.gradient)
        if inPlace { written.insert(.gradient) }
      }
    }
    read.remove(.copy)
    written.remove(.copy)
    return MemoryTraffic(reads: read.count, writes: written.count)
  }
}

extension MemoryTraffic: CustomStringConvertible {
  /// For example `reads 3, writes 2`.
  public var description: String { "reads \(reads), writes \(writes)" }
}
