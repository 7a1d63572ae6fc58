#if MPI
  import Momentum
  import MomentumMPI

  // What a rank calls MPI for, by formula.
  extension RankTraffic {
    /// A step of `Float`s that clips by a norm, with one micro-batch a rank. The first step also compares the parameters.
    static func step(
      _ plan: ShardPlan, _ rank: Int, _ sharding: Sharding, _ reduction: GradientReduction
    ) -> RankTraffic {
      // Whether a rank has failed; then what all have measured, and that all are about to write.
      let head = RankExchange<Communicator>.headCount
      var traffic = words(1) + words(head) + words(head)
      switch (reduction, sharding) {
      case (.ordered, _): traffic += toOwners(plan, rank) + toAll(plan, rank)
      // The number of gradients.
      case (.library, .none): traffic += words(1) + sum(plan.layout.count)
      case (.library, _):
        traffic += words(1) + toAll(plan, rank)
        for owner in 0..<plan.ranks { traffic += sum(plan.range(of: owner).count) }
      }
      return traffic
    }

    /// The merge of one norm: the words that are summed, and the one whose largest counts.
    static var merge: RankTraffic { words(NormPartial.wordCount) + words(1) }

    /// Every rank gets the parts of the others.
    static func toAll(_ plan: ShardPlan, _ rank: Int) -> RankTraffic {
      let own = plan.range(of: rank).count
      return (1..<max(plan.ranks, 1)).reduce(into: RankTraffic()) { traffic, _ in
        traffic += messages(own, atMost: Communicator.largestPiece / size)
      }
    }

    /// Every rank hands the others their parts.
    private static func toOwners(_ plan: ShardPlan, _ rank: Int) -> RankTraffic {
      (0..<plan.ranks).filter { $0 != rank }.reduce(into: RankTraffic()) { traffic, owner in
        traffic += messages(plan.range(of: owner).count, atMost: Chunk.count)
      }
    }

    /// MPI's own sum of some elements.
    static func sum(_ count: Int) -> RankTraffic {
      let piece = Communicator.largestPiece / size
      return RankTraffic(meetings: (count + piece - 1) / piece, bytesMet: count * size)
    }

    private static func messages(_ count: Int, atMost piece: Int) -> RankTraffic {
      RankTraffic(messagesSent: (count + piece - 1) / piece, bytesSent: count * size)
    }

    /// A sum, or a maximum, of words.
    private static func words(_ count: Int) -> RankTraffic { RankTraffic(meetings: 1, bytesMet: 8 * count) }

    private static var size: Int { MemoryLayout<Float>.stride }

    static func + (left: RankTraffic, right: RankTraffic) -> RankTraffic {
      RankTraffic(
        messagesSent: left.messagesSent + right.messagesSent, bytesSent: left.bytesSent + right.bytesSent,
        meetings: left.meetings + right.meetings, bytesMet: left.bytesMet + right.bytesMet)
    }

    static func += (left: inout RankTraffic, right: RankTraffic) { left = left + right }
  }
#endif
