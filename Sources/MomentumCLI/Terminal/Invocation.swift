import ArgumentParser
import Foundation
import MomentumFiles

/// One run of the command, from its arguments to its end.
enum Invocation {
  /// Runs the command and ends the process.
  ///
  /// Everything has been written when it ends, and what could not be written is an error. What libraries would do at an
  /// exit is left out: nothing depends on it, and OpenBLAS waits there for threads of which some may be missing.
  static func run(_ arguments: [String]) -> Never {
    var status = status(of: arguments)
    do {
      try StandardOutput.close()
    } catch {
      Message.write("Error: \(error)")
      if status == EXIT_SUCCESS { status = EXIT_FAILURE }
    }
    fflush(nil)
    _exit(status)
  }

  private static func status(of arguments: [String]) -> Int32 {
    do {
      return try run(try parse(arguments))
    } catch {
      // The parser's errors have several lines, and show arguments only.
      return report(error, MomentumCommand.fullMessage(for: error))
    }
  }

  private static func run(_ command: any ParsableCommand) throws -> Int32 {
    var command = command
    do {
      try command.run()
      return EXIT_SUCCESS
    } catch {
      let text = MomentumCommand.fullMessage(for: error)
      if MomentumCommand.exitCode(for: error) == .success { return report(error, text) }
      // What went wrong with files is one line. It may show names that files hold, with ends of lines in them.
      let message = MomentumCommand.message(for: error)
      return report(error, text.replacing(message, with: message.escapingControls, maxReplacements: 1))
    }
  }

  /// The command that the arguments ask for.
  ///
  /// - Throws: An error that shows arguments only in a form in which they do not act on a terminal.
  private static func parse(_ arguments: [String]) throws -> any ParsableCommand {
    try refuseEmpty(arguments)
    do {
      return try MomentumCommand.parseAsRoot(arguments)
    } catch {
      // The same mistake in arguments that can be shown.
      _ = try MomentumCommand.parseAsRoot(arguments.map(\.escapingControls))
      throw ValidationError(MomentumCommand.message(for: error).escapingControls)
    }
  }

  /// No option or file has an empty name; scripts give one when a variable is not set.
  private static func refuseEmpty(_ arguments: [String]) throws {
    for (index, argument) in arguments.enumerated() {
      if argument.isEmpty {
        let place = index > 0 ? ", after '\(arguments[index - 1].escapingControls)'," : ""
        throw ValidationError("argument \(index + 1)\(place) is empty; expected a name or a value")
      }
      if argument.hasPrefix("--"), argument.firstIndex(of: "=") == argument.indices.last {
        throw ValidationError("'\(argument.escapingControls)' has no value after the '='; expected one")
      }
    }
  }

  /// Prints help that was asked for, or says what went wrong.
  ///
  /// - Returns: The exit status.
  private static func report(_ error: any Error, _ text: String) -> Int32 {
    let status = MomentumCommand.exitCode(for: error).rawValue
    if text.isEmpty { return status }
    guard status == EXIT_SUCCESS else {
      Message.write(text: text)
      return status
    }
    do {
      try StandardOutput.write(text + "\n")
      return status
    } catch {
      Message.write("Error: \(error)")
      return EXIT_FAILURE
    }
  }
}
