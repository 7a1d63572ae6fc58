import Foundation
import Momentum

/// The facts about this machine that its measurements should be read with. A fact that cannot be found out is `nil`,
/// and left out of JSON.
struct MachineRecord: Encodable {
  struct Cache: Encodable {
    let level: Int
    let type: String
    let kilobytes: Int
  }

  let momentumVersion = MomentumVersion.current
  let swiftVersion = MachineRecord.compilerVersion
  let operatingSystem: String
  let blas: BLASRecord
  /// The vectors that the fused loops of steps use; left out where this processor has no loops.
  let fusedLoops = StepKernels.vectors
  let processor: String?
  let caches: [Cache]
  let processorCount: Int
  /// Processors that this process uses: fewer than the machine has, where a launcher has bound it, or where a container
  /// or a batch system limits its time.
  let availableProcessorCount: Int
  /// Processors that this process may run on, and those whose time a control group grants, if one does.
  let boundProcessorCount: Int
  let processorQuota: Int?
  let memoryBytes: UInt64
  /// The setting in force, for example `madvise`.
  let transparentHugePages: String?
  /// Who sets the processor's clock, for example `performance`.
  let frequencyGovernor: String?

  /// Looks at the machine that runs this process.
  static func current() -> MachineRecord {
    let process = ProcessInfo.processInfo
    return MachineRecord(
      operatingSystem: process.operatingSystemVersionString,
      blas: BLASRecord(.current, threadsChosenBy: Launch.threadChoice),
      processor: Processor.model.isEmpty ? nil : Processor.model,
      caches: caches(in: "/sys/devices/system/cpu/cpu0/cache"),
      processorCount: process.processorCount,
      availableProcessorCount: Machine.availableProcessors, boundProcessorCount: Machine.boundProcessors,
      processorQuota: Machine.processorQuota,
      memoryBytes: process.physicalMemory,
      transparentHugePages: Platform.contents(ofSmallFile: "/sys/kernel/mm/transparent_hugepage/enabled")
        .flatMap(selectedSetting),
      frequencyGovernor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
  }

  /// Version, processor and BLAS in two lines: all that the same run gives again on the same machine.
  var summary: String {
    """
    momentum \(momentumVersion), Swift \(swiftVersion), \(operatingSystem), \(processor ?? "unknown processor")
    BLAS: \(blas.summary)
    """
  }

  /// The caches that the kernel describes in this folder, one subfolder each.
  static func caches(in folder: String) -> [Cache] {
    var caches: [Cache] = []
    while let level = line("\(folder)/index\(caches.count)/level").flatMap({ Int($0) }),
      let type = line("\(folder)/index\(caches.count)/type"),
      let size = line("\(folder)/index\(caches.count)/size"), size.hasSuffix("K"), let kilobytes = Int(size.dropLast())
    {
      caches.append(Cache(level: level, type: type, kilobytes: kilobytes))
    }
    return caches
  }

  /// The choice in brackets, as in `always [madvise] never`.
  static func selectedSetting(_ text: String) -> String? {
    text.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("[") && $0.hasSuffix("]") }
      .map { String($0.dropFirst().dropLast()) }
  }

  private static func line(_ path: String) -> String? {
    Platform.contents(ofSmallFile: path)?.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// The compiler that this was built with, as exactly as a program can know.
  private static var compilerVersion: String {
    #if compiler(>=6.4)
      "6.4 or newer"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2"
    #endif
  }
}
