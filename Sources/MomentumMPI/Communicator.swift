#if MPI
  internal import CMomentumMPI
  public import Momentum

  /// Ranks that do something together: all processes of an MPI program, or some of them.
  ///
  /// A communicator is a copy with a message space of its own, so that nothing here meets messages of the program. It
  /// lasts until MPI is finished. All its ranks must make the same calls in the same order, one thread at a time.
  public final class Communicator: RankWords, @unchecked Sendable {
    let handle: CMPIComm
    public let rank: Int
    public let rankCount: Int
    /// The number of ranks on this machine, as far as they are in this communicator.
    public let nodeSize: Int
    /// The number of threads for this rank: the processors that it may use, divided by the number of ranks on this
    /// machine that may use one of them too.
    public let threadsPerRank: Int

    /// A communicator of all processes.
    ///
    /// - Throws: ``DistributedError/setup(_:)`` before ``MPI/start()``; ``DistributedError/mpi(routine:message:)``.
    public static func world() throws(DistributedError) -> Communicator {
      try requireStarted()
      return try Communicator(copying: cmpi_world())
    }

    /// A copy of a communicator of the program. Every MPI library can tell its handle in Fortran (`MPI_Comm_c2f`).
    public convenience init(fortranHandle: Int32) throws(DistributedError) {
      try Self.requireStarted()
      try self.init(copying: cmpi_from_fortran(fortranHandle))
    }

    private convenience init(copying other: CMPIComm) throws(DistributedError) {
      var copy = other
      try MPI.check("MPI_Comm_dup", cmpi_copy(other, &copy))
      try self.init(owning: copy)
    }

    private init(owning handle: CMPIComm) throws(DistributedError) {
      var (rank, count, nodeSize): (CInt, CInt, CInt) = (0, 0, 0)
      try MPI.check("MPI_Comm_rank", cmpi_rank(handle, &rank))
      try MPI.check("MPI_Comm_size", cmpi_size(handle, &count))
      guard count <= 1 << 20 else { throw .setup("there are \(count) ranks; expected at most 2^20") }
      var node = handle
      try MPI.check("MPI_Comm_split_type", cmpi_split_node(handle, &node))
      try MPI.check("MPI_Comm_size", cmpi_size(node, &nodeSize))
      threadsPerRank = try ProcessorMask.threads(node, Int(nodeSize))
      try MPI.check("MPI_Comm_free", cmpi_free(&node))
      (self.handle, self.rank, self.rankCount, self.nodeSize) = (handle, Int(rank), Int(count), Int(nodeSize))
    }

    private static func requireStarted() throws(DistributedError) {
      guard cmpi_is_started() != 0, cmpi_is_finished() == 0 else {
        throw .setup("MPI is not started; expected MPI.start() before, and MPI.finish() after all else")
      }
    }

    /// The handle in Fortran, by which other libraries can use the communicator (`MPI_Comm_f2c`).
    public var fortranHandle: Int32 { cmpi_to_fortran(handle) }

    /// The ranks that name the same color, in the order of their keys and then of their ranks here. All ranks call this.
    ///
    /// - Parameters:
    ///   - color: At least 0; `nil` for ranks that are in no part.
    ///   - key: The place among the ranks of the color.
    /// - Returns: The part that this rank is in.
    public func split(color: Int?, key: Int = 0) throws(DistributedError) -> Communicator? {
      let isValid = color.map { (0...Int(Int32.max)).contains($0) } ?? true
      try agree(
        isValid && Int32(exactly: key) != nil
          ? nil
          : .refused(
            .invalidSetting(
              name: "color and key", value: "\(color ?? -1) and \(key)",
              expected: "a color from 0 and a key, in 32 bits")))
      var part = handle
      try MPI.check("MPI_Comm_split", cmpi_split(handle, CInt(color ?? -1), CInt(key), &part))
      return cmpi_is_null(part) != 0 ? nil : try Communicator(owning: part)
    }

    // MARK: Words

    public func sum(_ words: inout [UInt64]) throws(MomentumError) {
      try reduce("MPI_Allreduce (sum)", &words) { cmpi_sum_words(handle, $0, $1) }
    }

    public func max(_ words: inout [UInt64]) throws(MomentumError) {
      try reduce("MPI_Allreduce (maximum)", &words) { cmpi_max_words(handle, $0, $1) }
    }

    private func reduce(
      _ routine: String, _ words: inout [UInt64], _ body: (UnsafeMutablePointer<UInt64>?, CInt) -> CInt
    ) throws(MomentumError) {
      for start in stride(from: 0, to: words.count, by: Self.largestPiece / 8) {
        let count = min(Self.largestPiece / 8, words.count - start)
        let code = words.withUnsafeMutableBufferPointer { body($0.baseAddress.map { $0 + start }, CInt(count)) }
        do throws(DistributedError) { try MPI.check(routine, code) } catch {
          throw .invalidSetting(name: "exchange", value: error.description, expected: "an MPI that works")
        }
      }
    }

    /// The most bytes of one message: counts of MPI have 32 bits.
    package static let largestPiece = 1 << 26

    // MARK: Errors

    /// Makes all ranks throw the error of the first one that has failed. All ranks call this.
    public func agree(_ failure: DistributedError?) throws(DistributedError) {
      guard let words = try refusing({ () throws(MomentumError) in try first(failure?.words) }) else { return }
      throw DistributedError(words: words)
        ?? .failed(rank: rank, message: "a rank has failed, and its words cannot be read")
    }

    /// Does something on every rank. If a rank throws, all throw its error; if several do, that of the first one.
    ///
    /// The ranks must not meet inside of it.
    public func agree<R>(_ body: () throws -> R) throws(DistributedError) -> R {
      let result: Result<R, DistributedError>
      do { result = .success(try body()) } catch { result = .failure(DistributedError(error, rank: rank)) }
      if case .failure(let error) = result { try agree(error) } else { try agree(nil) }
      return try result.get()
    }

    /// Throws on all ranks if a number is not the same on all of them.
    package func requireSame(_ number: UInt64, _ what: String) throws(DistributedError) {
      var first = [rank == 0 ? number : 0]
      try refusing { () throws(MomentumError) in try sum(&first) }
      try agree(first[0] == number ? nil : .differs(what: what, rank: rank))
    }

    private func refusing<R>(_ body: () throws(MomentumError) -> R) throws(DistributedError) -> R {
      do throws(MomentumError) { return try body() } catch { throw .refused(error) }
    }
  }
#endif
