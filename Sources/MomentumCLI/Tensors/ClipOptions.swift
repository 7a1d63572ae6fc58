import ArgumentParser
import Momentum

/// The options of every command that clips.
struct ClipOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Move every gradient element into -X...X, or with two numbers, separated by a comma, from the first to the second.",
      valueName: "x"), transform: ValueBound.init(text:))
  var clipValue: ValueBound?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Bring every tensor's gradient to a norm of at most X.", valueName: "x"),
    transform: NumberText.double)
  var clipNorm: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      What --clip-norm measures: norms over these axes, separated by commas, one for each index of the other axes. Negative \
      axes count from the last. (default: all axes)
      """, valueName: "axes"))
  var clipNormAxes: AxisList?

  @Option(
    name: .customLong("clip-block-rms"),
    parsing: .unconditional,
    help: ArgumentHelp("Bring every tensor's gradient to a root mean square of at most X.", valueName: "x"),
    transform: NumberText.double)
  var clipBlockRMS: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Bring the whole gradient to a norm of at most X; inf measures the norm and clips nothing.", valueName: "x"),
    transform: NumberText.double)
  var clipGlobalNorm: Double?

  @Option(
    name: .customLong("norm-type"),
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The norm of --clip-norm and --clip-global-norm: 1, 2, inf, or any p > 0; only 2 with --clip-norm-axes and \
      --clip-block-rms. (default: 2)
      """, valueName: "p"),
    transform: NumberText.double)
  var givenNormType: Double?

  @Option(name: .customLong("convention"), help: "Whose formulas to follow. (default: native)")
  var givenConvention: Convention?

  @Option(
    help: "What to do about NaN and infinite gradients. (default: throw; propagate under other conventions than native)"
  )
  var nonFinite: NonFiniteOption?

  var convention: Convention { givenConvention ?? .native }

  /// The names of the options that were given.
  var given: [String] {
    [
      "--clip-value": clipValue != nil, "--clip-norm": clipNorm != nil, "--clip-norm-axes": clipNormAxes != nil,
      "--clip-block-rms": clipBlockRMS != nil, "--clip-global-norm": clipGlobalNorm != nil,
      "--norm-type": givenNormType != nil, "--convention": givenConvention != nil, "--non-finite": nonFinite != nil,
    ].filter(\.value).keys.sorted()
  }

  /// The options of the library's settings.
  static let options = [
    "clip value": "--clip-value", "clip norm": "--clip-norm", "clip block RMS": "--clip-block-rms",
    "clip global norm": "--clip-global-norm", "normType": "--norm-type", "normUnits": "--clip-norm-axes",
    "units": "--clip-norm-axes",
  ]

  /// Where nothing is clipped the norm is measured all the same: it is part of every report.
  func clipping() throws -> GradientClipping {
    guard clipNorm != nil || clipNormAxes == nil else { throw ValidationError("--clip-norm-axes needs --clip-norm") }
    return try orUsageError(naming: Self.options) { () throws(MomentumError) in
      let type = try NormType(order: givenNormType ?? 2)
      return try GradientClipping(
        value: clipValue?.range(),
        tensor: GradientClipping.tensorLimit(clipNorm, clipNormAxes.map { .axes($0.axes) }, clipBlockRMS),
        whole: .norm(clipGlobalNorm ?? .infinity), normType: type)
    }
  }
}

/// A number, or two separated by a comma, as the value of an option that bounds elements.
struct ValueBound {
  private var numbers: [Double]

  init(text: String) throws(NumberText.Refusal) {
    numbers = try NumberText.doubles(text)
    guard numbers.count <= 2 else { throw NumberText.Refusal(description: "expected one number or two") }
  }

  /// The range from minus one number to that number, or from one number to another.
  func range() throws(MomentumError) -> ClosedRange<Double> {
    let (lower, upper) = numbers.count == 1 ? (-numbers[0], numbers[0]) : (numbers[0], numbers[1])
    if lower <= upper { return lower...upper }
    guard numbers.count == 2 else {
      throw .invalidSetting(name: "clip value", value: upper, expected: .atLeast(0))
    }
    throw .invalidSetting(
      name: "clip value", value: "\(lower),\(upper)", expected: "a lower and an upper bound, in this order")
  }
}

/// Axes separated by commas, as the value of an option.
struct AxisList: ExpressibleByArgument {
  var axes: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.allSatisfy({ $0 != nil }) else { return nil }
    axes = parts.compactMap { $0 }
  }
}

/// The policies as they are spelled on the command line.
enum NonFiniteOption: String, ExpressibleByArgument, CaseIterable {
  case propagate, `throw`, skip, zero

  var policy: NonFinitePolicy {
    switch self {
    case .propagate: .propagate
    case .throw: .throw
    case .skip: .skipStep
    case .zero: .zero
    }
  }
}

/// How many threads to use.
struct ThreadOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The most threads to use. (default: as many as the process may use)", valueName: "t"))
  var threads: Int?

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads is \(threads); expected at least 1") }
  }
}

/// Turns errors about settings, which come from the command line, into usage errors.
///
/// - Parameter options: The options of some settings, which are named in their place.
func orUsageError<R>(naming options: [String: String] = [:], _ body: () throws(MomentumError) -> R) throws -> R {
  do {
    return try body()
  } catch {
    throw usageError(for: error, naming: options) ?? error as any Error
  }
}

/// The usage error for a setting out of its range, `nil` for any other error.
///
/// - Parameter file: The file whose tensors a setting may not fit.
func usageError(
  for error: MomentumError, naming options: [String: String] = [:], in file: String? = nil
) -> ValidationError? {
  guard case .invalidSetting(let refused) = error else { return nil }
  let named = InvalidSetting(
    options[refused.name] ?? refused.name, of: refused.place, value: refused.value, expected: refused.expected)
  guard case .tensor = refused.place, let file else { return ValidationError(named.description) }
  return ValidationError("\(file): \(named)")
}
