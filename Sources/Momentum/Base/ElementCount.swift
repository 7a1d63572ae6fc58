/// The numbers of elements that shapes have.
enum ElementCount {
  /// The product of extents, at most `Int.max`: only a tensor without elements can have axes whose product is larger.
  static func product(_ extents: some Collection<Int>) -> Int {
    var count = 1
    for extent in extents {
      guard extent > 0 else { return 0 }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      count = overflow ? .max : product
    }
    return count
  }
}
