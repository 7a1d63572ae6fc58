/// Long work on some elements whose caller wants to know how far it has come.
enum ToldWork {
  /// The number of elements between two calls of the caller: a tenth of a second where files are read from a disk.
  @TaskLocal static var sliceCount = 1 << 25

  /// Does work on all elements, or on slices of them one after the other, if there is somebody to tell about each.
  ///
  /// Sums of tiles do not depend on how elements are shared, so the results have the same bits.
  ///
  /// - Parameter tell: Is told how many more elements have been worked on.
  static func run(_ count: Int, tell: ((Int) -> Void)?, _ work: (Range<Int>) -> Void) {
    guard let tell else { return work(0..<count) }
    for start in stride(from: 0, to: count, by: sliceCount) {
      let slice = start..<min(start + sliceCount, count)
      work(slice)
      tell(slice.count)
    }
  }
}
