import Foundation

// Steps, is killed, goes on: Scripts/soak.sh.

let arguments = Array(CommandLine.arguments.dropFirst())
func stop(_ message: String, _ status: Int32) -> Never {
  FileHandle.standardError.write(Data("error: \(message)\n".utf8))
  exit(status)
}

// Who starts this in the background may ignore some of them, and programs inherit that: what is then sent ends nothing.
for ending in Set(ClientSoak.signals) where ending != SIGKILL { signal(ending, SIG_DFL) }

let folder = NSTemporaryDirectory() + "/momentum-soak-\(ProcessInfo.processInfo.processIdentifier)"
do {
  if arguments.count == 3, ["--client", "--undisturbed"].contains(arguments[0]), let steps = Int(arguments[2]) {
    try Client(folder: arguments[1], steps: steps, savesOften: arguments[0] == "--client").run()
    exit(0)
  }
  guard arguments.count == 2, let minutes = Double(arguments[0]), minutes > 0 else {
    stop("usage: MomentumSoak MINUTES COMMAND", 64)
  }
  let executable = URL(fileURLWithPath: CommandLine.arguments[0]).standardizedFileURL.path

  // The command steps what a client has saved.
  let seed = folder + "/seed"
  try FileManager.default.createDirectory(atPath: seed, withIntermediateDirectories: true)
  let start = Date()
  let first = try ChildProcess(executable, ["--client", seed, "1"])
  let startTime = Date().timeIntervalSince(start)
  guard first.status == 0 else { throw Failure("the client failed: \(first.errors)") }
  var client = try ClientSoak(folder: folder + "/client", executable: executable, startTime: startTime)
  var command = try CommandSoak(
    folder: folder + "/command", command: arguments[1], parameters: seed + "/parameters-1.safetensors")

  let end = Date(timeIntervalSinceNow: minutes * 60)
  while Date() < end {
    for _ in 0..<3 { try client.killOnce() }
    for _ in 0..<3 { try command.killOnce() }
  }
  try client.compareWithUndisturbed()
  try command.checkNothingIsLeft()
  print(
    """
    a stepping client: \(client.kills) kills in \(client.steps) steps; the same bytes as one that was left alone
      memory at most \(client.largestMemory) kB, growth in the second half of a run at most \(client.largestGrowth) kB; \
    \(client.leftOver.count) temporary names left by kills, none in the end
    momentum step: \(command.kills) kills in \(command.steps) steps; every file the old or the new one, whole
      \(command.halfWay) times parameters and state were apart; \(command.leftOver.count) temporary names left by SIGKILL, none \
    in the end
    \(client.kills + command.kills) kills, no fault.
    """)
  try? FileManager.default.removeItem(atPath: folder)
} catch {
  let isKept = FileManager.default.fileExists(atPath: folder)
  stop("\(error)" + (isKept ? "; the files are in \(folder)" : ""), 1)
}
