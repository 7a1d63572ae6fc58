import Foundation

/// Kills the client at random moments and lets it go on, again and again; in the end compares it with one that was left
/// alone.
struct ClientSoak {
  let folder: String
  private let executable: String
  /// How long the client takes to start and to save once.
  private let startTime: Double
  private(set) var kills = 0
  private(set) var steps = 0
  /// How many kills in a row have said nothing; each may have saved one step.
  private var silent = 0
  /// Temporary names that kills have left; whoever saves next removes them.
  private(set) var leftOver: Set<String> = []
  private(set) var largestMemory = 0
  private(set) var largestGrowth = 0

  /// The signals that end a process: those that cannot be caught, and those that batch systems send.
  static let signals = [SIGKILL, SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGXCPU]

  init(folder: String, executable: String, startTime: Double) throws {
    (self.folder, self.executable, self.startTime) = (folder, executable, startTime)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  /// One run of the client, and a look at what it has left.
  mutating func killOnce() throws {
    // Mostly short, so that starting and the first save are hit too; now and then long, to see memory grow.
    let seconds = Double.random(in: 0...1) < 0.01 ? 5 : Double.random(in: 0...4 * startTime)
    let child = try ChildProcess(
      executable, ["--client", folder, "\(Int.max)"], signal: Self.signals.randomElement()!, after: seconds)
    guard child.wasKilled else { throw Failure("the client ended by itself: \(child.errors)") }
    kills += 1
    try watch(child.output)
    try checkFiles()
  }

  /// What the client said that it had saved may be there, or the next, which it had no time to announce.
  private mutating func watch(_ output: String) throws {
    // The last line may be cut off.
    let lines = output.split(separator: "\n", omittingEmptySubsequences: true).map {
      $0.split(separator: " ").map { Int($0) }
    }
    let whole = lines.filter { $0.count == 3 && !$0.contains(nil) }.map { $0.map { $0! } }
    guard let first = whole.first, let last = whole.last else {
      silent += 1
      return
    }
    guard (steps + 1...steps + 2 + silent).contains(first[0]) else {
      throw Failure("went on with step \(first[0]) after \(steps)")
    }
    silent = 0
    steps = last[0]
    largestMemory = max(largestMemory, last[1])
    let half = whole[whole.count / 2]
    largestGrowth = max(largestGrowth, last[1] - half[1])
    guard last[2] == first[2] else { throw Failure("\(first[2]) open descriptors became \(last[2])") }
    // What is allocated early may still settle; then nothing may grow.
    if whole.count > 1000, last[1] - half[1] > 1024 {
      throw Failure("memory grew from \(half[1]) to \(last[1]) kB in \(whole.count / 2) steps")
    }
  }

  /// No more than the parameters of two steps, the state, and what a killed write has left.
  private mutating func checkFiles() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    let temporary = names.filter { $0.hasPrefix(".momentum-") && $0.hasSuffix(".tmp") }
    leftOver.formUnion(temporary)
    let parameters = names.filter { $0.hasPrefix("parameters-") }
    // Besides the current ones those of a step that was not committed, and those that there was no time to remove.
    let stale = parameters.filter { name in
      !(steps - 1...steps + 2 + silent).contains { name == "parameters-\($0).safetensors" }
    }
    for name in stale { try FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
    let unknown = Set(names).subtracting(temporary + parameters + ["state.safetensors"])
    guard unknown.isEmpty else { throw Failure("unknown files: \(unknown.sorted())") }
  }

  /// Runs both to the same call, one of them from the beginning, and compares all bytes.
  mutating func compareWithUndisturbed() throws {
    // Skipped steps make calls more than steps.
    var last = steps + steps / 30 + 100
    // The last one is saved, so it must not be one that is skipped.
    if last % 37 == 5 { last += 1 }
    let other = folder + "-undisturbed"
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
    for (folder, mode) in [(folder, "--client"), (other, "--undisturbed")] {
      let child = try ChildProcess(executable, [mode, folder, "\(last)"])
      guard child.status == 0, !child.wasKilled else { throw Failure("the client failed: \(child.errors)") }
      try watchEnd(folder)
    }
    let (found, expected) = (try contents(folder), try contents(other))
    guard Set(found.keys) == Set(expected.keys) else {
      throw Failure("files differ: \(found.keys.sorted()) and \(expected.keys.sorted())")
    }
    for (name, bytes) in expected where found[name] != bytes {
      throw Failure("\(name) differs from that of a run that was left alone")
    }
  }

  private func watchEnd(_ folder: String) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    if let name = names.first(where: { $0.hasSuffix(".tmp") }) { throw Failure("\(name) remains after a write") }
  }

  /// The state and the parameters that belong to it: those of the highest step.
  private func contents(_ folder: String) throws -> [String: Data] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    func step(_ name: String) -> Int { Int(name.filter(\.isNumber)) ?? 0 }
    let newest = names.filter { $0.hasPrefix("parameters-") }.max { step($0) < step($1) }
    var contents: [String: Data] = [:]
    for name in ["state.safetensors", newest].compactMap({ $0 }) {
      contents[name] = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    return contents
  }
}
