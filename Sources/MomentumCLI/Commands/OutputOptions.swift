import ArgumentParser

/// How the commands write their files.
struct OutputOptions: ParsableArguments {
  @Flag(
    help: """
      Where an output is a symbolic link, replace the file behind it. Without this, links are refused: they often lead into a \
      store whose files must stay as they are.
      """)
  var followLinks = false
}
