/// The operating system's description of the processor, as far as the choice of BLAS kernels depends on it.
package struct Processor: Sendable {
  /// The name the processor gives itself; empty where it is not known.
  package let model: String
  /// Instruction set extensions that the processor has and the kernel has enabled, in the spelling of Linux on x86-64
  /// (`avx2`, `fma`, `avx512f`); empty elsewhere.
  package let features: Set<String>
  /// Whether an instruction on 512 bits is executed as two on 256 bits. AMD's Zen 4 does so; it shares its family
  /// number with Zen 3, which has no such instructions.
  package let splitsWideVectors: Bool

  /// The processor this process runs on; read once.
  package static let current = Processor(cpuInfo: Platform.contents(ofSmallFile: "/proc/cpuinfo") ?? "")

  /// Reads the lines of the first processor in Linux's `/proc/cpuinfo`, each `name<tab>: value`.
  init(cpuInfo: String) {
    func value(_ name: String) -> Substring {
      for line in cpuInfo.split(separator: "\n") where line.hasPrefix(name) {
        let parts = line.split(separator: ":", maxSplits: 1)
        if parts.count == 2, parts[0].allSatisfy({ !$0.isWhitespace || $0 == "\t" || $0 == " " }),
          parts[0].prefix(while: { $0 != "\t" }) == name
        {
          return parts[1].drop { $0 == " " }
        }
      }
      return ""
    }
    model = String(value("model name"))
    features = Set(value("flags").split(separator: " ").map(String.init))
    splitsWideVectors =
      value("vendor_id") == "AuthenticAMD" && value("cpu family") == "25" && features.contains("avx512f")
  }
}
