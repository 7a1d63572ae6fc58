import MomentumFiles

/// Columns of text for a terminal.
enum TextTable {
  /// Columns two blanks apart, words (`leftColumns`) to the left, numbers to the right; no blanks at the end of a line.
  static func text(_ header: [String], _ rows: [[String]], leftColumns: Set<Int>) -> String {
    // Names from files may be cells; an end of a line in one would look like another row.
    let table = ([header] + rows).map { $0.map(\.escapingControls) }
    let widths = header.indices.map { column in table.map { $0[column].count }.max()! }
    return table.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let fill = String(repeating: " ", count: widths[column] - cell.count)
        line += (column == 0 ? "" : "  ") + (leftColumns.contains(column) ? cell + fill : fill + cell)
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
