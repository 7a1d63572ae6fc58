/// The operating system's description of the processor.
package enum Processor {
  /// The name that the processor of this process gives itself; empty where it is not known.
  package static let model = model(cpuInfo: Platform.contents(ofSmallFile: "/proc/cpuinfo") ?? "")

  /// Reads the name of the first processor in Linux's `/proc/cpuinfo`, whose lines are `name<tab>: value`.
  static func model(cpuInfo: String) -> String {
    for line in cpuInfo.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      if parts.count == 2, parts[0].prefix(while: { $0 != "\t" }) == "model name" {
        return String(parts[1].drop { $0 == " " })
      }
    }
    return ""
  }
}
