import Momentum

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A program that uses the library, for what happens to a process.
///
///     MomentumTestHost exit SEED        calls exit() while threads take steps
///     MomentumTestHost exit-large       the same while several threads want the same workers
///     MomentumTestHost exit-handlers    takes a step in handlers of exit()
///     MomentumTestHost blas             says what the library has found and done before main, and takes a step
///     MomentumTestHost polar            says why polar factors are refused, by a rule and in a configuration
@main
enum TestHost {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    switch arguments.first {
    case "exit":
      let seed = arguments.dropFirst().first.flatMap { UInt32($0) } ?? 0
      exitWhileStepping([10, 3000, 200_000, 10, 200_000], microseconds: 1000 + seed &* 7919 % 4000)
    case "exit-large": exitWhileStepping([1 << 21, 1 << 21, 1 << 21], threads: 2, microseconds: 300_000)
    case "exit-handlers": try stepInHandlers()
    case "blas": try BLASUse.printReport()
    case "polar": try askForPolarFactors()
    default:
      print("expected exit, exit-large, exit-handlers, blas or polar")
      exit(64)
    }
  }

  private static func askForPolarFactors() throws {
    var rule = RuleConfiguration(learningRate: try .constant(1))
    (rule.kind, rule.method) = (.muon, .polar)
    do { _ = try Muon(learningRate: 1, method: .polar) } catch { print(error) }
    do { _ = try rule.makeRule(.native) } catch { print(error) }
  }

  /// Some threads step small vectors, which one thread does, some large ones, which the workers share.
  private static func exitWhileStepping(_ counts: [Int], threads: Int? = nil, microseconds: UInt32) {
    for count in counts {
      start {
        guard let layout = try? ParameterLayout(count: count),
          var optimizer = try? Optimizer<Float>(
            layout, rule: SGD(learningRate: 1e-3, momentum: 0.9), threads: threads),
          var parameters = try? ParameterVector<Float>(layout), var gradients = try? ParameterVector<Float>(layout)
        else { return }
        gradients.fill(1)
        while true { _ = try? optimizer.step(&parameters, gradients: gradients) }
      }
    }
    usleep(microseconds)
    exit(0)
  }

  /// One handler is registered before the library has done anything, one after; exit() runs the later one first.
  private static func stepInHandlers() throws {
    func step() {
      guard let layout = try? ParameterLayout(count: 100_000), var ones = try? ParameterVector<Float>(layout) else {
        return
      }
      ones.fill(1)
      guard let report = try? Gradients.norm(of: ones) else { return }
      print(Int(report.norm * report.norm + 0.5))
    }
    atexit { TestHost.handler() }
    handler = step
    step()
    atexit { TestHost.handler() }
  }

  nonisolated(unsafe) private static var handler: () -> Void = {}

  private static func start(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    pthread_create(
      &thread, nil,
      { raw in
        #if canImport(Darwin)
          let opaque = raw
        #else
          let opaque = raw!
        #endif
        Unmanaged<Box>.fromOpaque(opaque).takeRetainedValue().body()
        return nil
      }, Unmanaged.passRetained(Box(body)).toOpaque())
  }
}
