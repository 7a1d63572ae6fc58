import Foundation

func complain(_ message: String) {
  FileHandle.standardError.write(Data("error: \(message)\n".utf8))
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") || arguments.contains("-h") {
  print(Options.help)
  exit(0)
}
let options: Options
do throws(Options.Misuse) {
  options = try Options(arguments)
} catch {
  complain(error.message)
  exit(64)
}
// Printed first, so that a crash can be repeated too.
FileHandle.standardOutput.write(Data("seed \(options.seed)\n".utf8))

let start = Date()
let total = Campaign(options).run()
if let finding = total.finding {
  print("DIFFERENCE: \(finding)")
  exit(1)
}
print(Summary(total, seconds: Date().timeIntervalSince(start)).text)
let missing = total.scenarios >= Coverage.enough ? total.coverage.missing : []
guard missing.isEmpty else {
  complain("never drawn in \(total.scenarios) scenarios: \(missing.joined(separator: ", "))")
  exit(1)
}
print("No differences.")
