import Foundation
import MomentumFiles

/// Draws pictures with the program `gnuplot`, if there is one.
struct Gnuplot: Sendable {
  /// A picture: its name and the commands that draw it, without terminal and output file.
  struct Picture: Sendable {
    var name: String
    var width: Int
    var height: Int
    var commands: String
  }

  let executable: String

  /// Looks for a program in `PATH`, or takes a path as it is; `nil` if there is none that can be run.
  init?(_ name: String = "gnuplot") {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
    let candidates = name.contains("/") ? [name] : folders.map { $0 + "/" + name }
    let isProgram = { (path: String) in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
        && FileManager.default.isExecutableFile(atPath: path)
    }
    guard let found = candidates.first(where: isProgram) else { return nil }
    executable = found
  }

  /// What to tell someone who has no gnuplot.
  static let isMissing =
    "gnuplot not found: no pictures drawn, the CSV files are complete (Debian: apt install gnuplot-nox)"

  /// Keeps the commands beside the data, so that a picture can be drawn again: `gnuplot plots/NAME.gnuplot`.
  static func writeScripts(_ pictures: [Picture], in folder: URL) throws {
    let plots = folder.appendingPathComponent("plots")
    try FileManager.default.createDirectory(at: plots, withIntermediateDirectories: true)
    for picture in pictures {
      try FileReplacement.write(script(picture), to: plots.appendingPathComponent(picture.name + ".gnuplot").path)
    }
  }

  /// Draws each picture as SVG and PNG into `folder`; returns the names of the files.
  func draw(_ pictures: [Picture], in folder: URL) throws -> [String] {
    var files: [String] = []
    for picture in pictures {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: executable)
      process.arguments = ["plots/\(picture.name).gnuplot"]
      process.currentDirectoryURL = folder
      let messages = Pipe()
      process.standardError = messages
      process.standardOutput = FileHandle.nullDevice
      process.standardInput = FileHandle.nullDevice
      do { try process.run() } catch {
        throw DataFileError(file: executable, cause: "cannot be run: \(error.localizedDescription)")
      }
      let text = String(decoding: messages.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      guard process.terminationStatus == 0 else {
        // The command is echoed with a caret below it; what went wrong comes last.
        let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        let reasons = lines.filter { !$0.isEmpty && $0 != "^" }.suffix(2)
        throw DataFileError(
          file: folder.appendingPathComponent("plots/\(picture.name).gnuplot").path,
          cause: "gnuplot failed: \(reasons.joined(separator: "; "))")
      }
      files += ["\(picture.name).svg", "\(picture.name).png"]
    }
    return files
  }

  private static func script(_ picture: Picture) -> String {
    let (w, h) = (picture.width, picture.height)
    return """
      # Run in the report folder: gnuplot plots/\(picture.name).gnuplot
      set encoding utf8
      set datafile separator ','
      set border lw 0.8
      set grid back lc rgb '#cccccc' lt 1 lw 0.8
      set tics nomirror
      set key font ',11' spacing 1.15

      do for [format in 'svg png'] {
        if (format eq 'svg') {
          set terminal svg size \(w),\(h) dynamic font 'DejaVu Sans,12' background rgb 'white'
        } else {
          set terminal pngcairo size \(w),\(h) font 'DejaVu Sans,10' background rgb 'white'
        }
        set output '\(picture.name).'.format
      \(picture.commands.split(separator: "\n", omittingEmptySubsequences: false).map { $0.isEmpty ? "" : "  " + $0 }
        .joined(separator: "\n"))
        unset output
      }

      """
  }

  /// A name as a gnuplot string.
  static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
}
