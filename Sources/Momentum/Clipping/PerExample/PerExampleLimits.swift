/// The largest arguments of a gemv. Tests bind smaller ones, to work at the limit.
enum PerExampleLimits {
  @TaskLocal static var leadingDimension = Int(Int32.max)
}
