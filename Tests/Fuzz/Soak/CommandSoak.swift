import Foundation

/// Kills `momentum step` while it replaces its own input, and compares what is there with the steps of one that was left
/// alone.
struct CommandSoak {
  private let folder: String
  private let command: String
  private(set) var kills = 0
  private(set) var steps = 0
  /// How often a process that was killed left the parameters new and the state old, which two files cannot rule out.
  private(set) var halfWay = 0
  /// Temporary names left by SIGKILL, which nothing can prevent; the next step removes them.
  private(set) var leftOver: Set<String> = []
  private var known: Files

  /// The bytes of both files.
  private struct Files: Equatable {
    var parameters, state: Data?
  }

  init(folder: String, command: String, parameters: String) throws {
    (self.folder, self.command) = (folder, command)
    for name in ["real", "alone"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: parameters, toPath: "\(folder)/\(name)/parameters.safetensors")
    }
    try FileManager.default.copyItem(atPath: parameters, toPath: "\(folder)/gradients.safetensors")
    known = Files()
    known = try files("real")
  }

  private func files(_ name: String) throws -> Files {
    func read(_ file: String) -> Data? {
      try? Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)/\(file).safetensors"))
    }
    return Files(parameters: read("parameters"), state: read("state"))
  }

  private func put(_ files: Files, into name: String) throws {
    for (file, bytes) in [("parameters", files.parameters), ("state", files.state)] {
      let path = "\(folder)/\(name)/\(file).safetensors"
      if let bytes {
        try bytes.write(to: URL(fileURLWithPath: path))
      } else if FileManager.default.fileExists(atPath: path) {
        try FileManager.default.removeItem(atPath: path)
      }
    }
  }

  private func arguments(_ name: String) -> [String] {
    let (parameters, state) = ("\(folder)/\(name)/parameters.safetensors", "\(folder)/\(name)/state.safetensors")
    var arguments = [
      "step", "--parameters", parameters, "--gradients", "\(folder)/gradients.safetensors", "--output-parameters",
      parameters, "--output-state", state, "--learning-rate", "0.001", "--momentum", "0.9", "--ema", "0.9",
      "--clip-global-norm", "1", "--threads", "1",
    ]
    if FileManager.default.fileExists(atPath: state) { arguments += ["--state", state] }
    return arguments
  }

  mutating func killOnce() throws {
    // What comes next, by a run that is left alone.
    try put(known, into: "alone")
    let start = Date()
    let alone = try ChildProcess(command, arguments("alone"))
    guard alone.status == 0, !alone.wasKilled else { throw Failure("momentum step failed: \(alone.errors)") }
    let (next, time) = (try files("alone"), Date().timeIntervalSince(start))

    let signal = ClientSoak.signals.randomElement()!
    let child = try ChildProcess(
      command, arguments("real"), signal: signal, after: Double.random(in: 0...1.2 * time))
    if child.wasKilled || child.status != 0 { kills += 1 }
    try settle(next, signal)
  }

  /// Compares what there is with the old and the new, each file by itself and both together.
  private mutating func settle(_ next: Files, _ signal: Int32) throws {
    let found = try files("real")
    let left = try temporaryNames().subtracting(leftOver)
    guard left.isEmpty || signal == SIGKILL else { throw Failure("\(left.sorted()) remain after signal \(signal)") }
    leftOver.formUnion(left)
    if found == next {
      (known, steps) = (next, steps + 1)
    } else if found != known {
      guard [known.parameters, next.parameters].contains(found.parameters),
        [known.state, next.state].contains(found.state)
      else { throw Failure("a file is neither the old one nor the new one, at step \(steps + 1)") }
      halfWay += 1
      // A host that finds the two apart goes back to a copy.
      try put(known, into: "real")
    }
  }

  private func temporaryNames() throws -> Set<String> {
    Set(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/real").filter { $0.hasSuffix(".tmp") })
  }

  /// One more step, after which nothing of all kills may be left.
  func checkNothingIsLeft() throws {
    let last = try ChildProcess(command, arguments("real"))
    guard last.status == 0, !last.wasKilled else { throw Failure("momentum step failed: \(last.errors)") }
    let left = try temporaryNames()
    guard left.isEmpty else { throw Failure("\(left.sorted()) remain after a step") }
  }
}
