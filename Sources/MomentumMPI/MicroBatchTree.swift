/// The order in which the gradients of micro-batches are added: a fixed binary tree over their numbers.
///
/// Floating-point addition depends on its order. The sum over a tree does not depend on who adds which part of it, so
/// the bits are the same for any number of ranks:
///
/// ```
/// ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))
/// ```
///
/// Where the number of micro-batches is no power of two, the trees that are left over are added from the last to the
/// first: of six, `((0 + 1) + (2 + 3)) + (4 + 5)`.
public enum MicroBatchTree {
  /// The micro-batches `start..<start + size` of the tree, added up; `size` is a power of two that divides `start`.
  public struct Block: Sendable, Hashable {
    /// The first micro-batch.
    public let start: Int
    /// The number of micro-batches.
    public let size: Int

    /// The micro-batch of this number alone.
    public init(_ microBatch: Int) { self.init(start: microBatch, size: 1) }

    init(start: Int, size: Int) { (self.start, self.size) = (start, size) }

    /// Whether another block is the right half of the block that this one is the left half of.
    func isSibling(of next: Block) -> Bool {
      size == next.size && start % (2 * size) == 0 && start + size == next.start
    }
  }

  /// The fewest blocks that make up a range of micro-batches.
  public static func blocks(_ range: Range<Int>) -> [Block] {
    merged(range.map { (Block($0), ()) }) { _, _ in }.map(\.block)
  }

  /// Adds up all blocks that are siblings, and the sums too.
  ///
  /// - Parameters:
  ///   - blocks: Blocks in the order of their micro-batches, each with what holds its sum.
  ///   - add: Adds the second sum to the first.
  /// - Returns: The blocks that are left.
  static func merged<Sum>(
    _ blocks: [(block: Block, sum: Sum)], add: (_ sum: Sum, _ next: Sum) -> Void
  ) -> [(block: Block, sum: Sum)] {
    var stack: [(block: Block, sum: Sum)] = []
    for next in blocks {
      stack.append(next)
      while stack.count >= 2, case let (left, right) = (stack[stack.count - 2], stack[stack.count - 1]),
        left.block.isSibling(of: right.block)
      {
        add(left.sum, right.sum)
        stack.removeLast(2)
        stack.append((Block(start: left.block.start, size: 2 * left.block.size), left.sum))
      }
    }
    return stack
  }

  /// Adds up blocks of which none are siblings, from the last to the first.
  ///
  /// - Returns: What holds the sum; `nil` if there is no block.
  static func folded<Sum>(
    _ blocks: [(block: Block, sum: Sum)], add: (_ sum: Sum, _ next: Sum) -> Void
  ) -> Sum? {
    for index in blocks.indices.reversed().dropLast() { add(blocks[index - 1].sum, blocks[index].sum) }
    return blocks.first?.sum
  }
}
