public import Momentum

/// What tests need of both types of half precision.
public protocol TestHalf: HalfScalar {
  init(_ value: Float)
  var bitPattern: UInt16 { get }
  var float: Float { get }
}

extension BFloat16: TestHalf {
  public var float: Float { Float(self) }
}

#if !(os(macOS) && arch(x86_64))
  extension Float16: TestHalf {
    public var float: Float { Float(self) }
  }
#endif

extension ParameterVector where Scalar: TestHalf {
  /// The bits of all elements.
  public var bits: [UInt16] { (0..<count).map { self[$0].bitPattern } }
}

extension SeededGenerator {
  /// Numbers in -1..<1, rounded.
  public mutating func halves<Half: TestHalf>(_ count: Int, as _: Half.Type = Half.self) -> [Half] {
    numbers(count, as: Float.self).map { Half($0) }
  }
}

/// Calls `body` with one buffer for each list; `nil` for none.
public func withBuffers<Element, R>(_ lists: [[Element]?], _ body: ([UnsafeBufferPointer<Element>?]) throws -> R)
  rethrows -> R
{
  let memory = lists.map { list in
    list.map { list in
      let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: list.count)
      _ = buffer.initialize(from: list)
      return buffer
    }
  }
  defer { for buffer in memory { buffer?.deallocate() } }
  return try body(memory.map { $0.map { UnsafeBufferPointer($0) } })
}
