import ArgumentParser
import Foundation
import MomentumFiles

/// One run of a command, from its arguments to its end.
struct Invocation {
  /// The command that the arguments are given to.
  let root: any ParsableCommand.Type
  /// Whether this process says what went wrong; of several processes that do the same, one does.
  var speaks = true

  /// Runs the command and ends the process.
  ///
  /// Everything has been written when it ends, and what could not be written is an error. What libraries would do at an
  /// exit is left out: nothing depends on it, and OpenBLAS waits there for threads of which some may be missing.
  func run(_ arguments: [String]) -> Never {
    end(with: status(of: arguments))
  }

  /// Ends the process.
  func end(with status: Int32) -> Never {
    var status = status
    do {
      try StandardOutput.close()
    } catch {
      Message.write("Error: \(error)")
      if status == EXIT_SUCCESS { status = EXIT_FAILURE }
    }
    fflush(nil)
    _exit(status)
  }

  /// Runs the command, and says what went wrong.
  ///
  /// - Returns: The exit status.
  func status(of arguments: [String]) -> Int32 {
    do {
      return try run(try parse(arguments))
    } catch {
      // The parser's errors have several lines, and show arguments only.
      return report(error, root.fullMessage(for: error))
    }
  }

  private func run(_ command: any ParsableCommand) throws -> Int32 {
    var command = command
    do {
      try command.run()
      return EXIT_SUCCESS
    } catch {
      let text = root.fullMessage(for: error)
      if root.exitCode(for: error) == .success { return report(error, text) }
      // What went wrong with files is one line. It may show names that files hold, with ends of lines in them.
      let message = root.message(for: error)
      return report(error, text.replacing(message, with: message.escapingControls, maxReplacements: 1))
    }
  }

  /// The command that the arguments ask for.
  ///
  /// - Throws: An error that shows arguments only in a form in which they do not act on a terminal.
  private func parse(_ arguments: [String]) throws -> any ParsableCommand {
    try refuseEmpty(arguments)
    do {
      return try root.parseAsRoot(arguments)
    } catch {
      // The same mistake in arguments that can be shown.
      _ = try root.parseAsRoot(arguments.map(\.escapingControls))
      throw ValidationError(root.message(for: error).escapingControls)
    }
  }

  /// No option or file has an empty name; scripts give one when a variable is not set.
  private func refuseEmpty(_ arguments: [String]) throws {
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
  private func report(_ error: any Error, _ text: String) -> Int32 {
    let status = root.exitCode(for: error).rawValue
    if text.isEmpty || !speaks { return status }
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
