import Foundation

/// A page that opens in a browser, whole in one file: text, tables that sort, pictures; nothing is loaded from elsewhere.
///
/// Its body is well-formed XML. The same parts give the same bytes.
struct HTMLPage {
  private let title: String
  private var body: [String] = []

  init(title: String) { self.title = title }

  /// Text that is to be shown as it is.
  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }

  mutating func heading(_ text: String) { body.append("<h2>\(Self.escaped(text))</h2>") }

  mutating func paragraph(_ text: String) { body.append("<p>\(Self.escaped(text))</p>") }

  /// The result in a few sentences, set apart.
  mutating func findings(_ sentences: [String]) {
    body.append("<ul class=\"findings\">\(sentences.map { "<li>\(Self.escaped($0))</li>" }.joined())</ul>")
  }

  /// Lines that stay lines: a machine record, a command.
  mutating func lines(_ text: String) { body.append("<pre>\(Self.escaped(text))</pre>") }

  /// Files beside the page, each with a word about it.
  mutating func files(_ files: [(path: String, content: String)]) {
    let items = files.map {
      "<li><a href=\"\(Self.escaped($0.path))\">\(Self.escaped($0.path))</a>: \(Self.escaped($0.content))</li>"
    }
    body.append("<ul>\(items.joined())</ul>")
  }

  /// A table; a click on a column's head sorts by it. Columns other than the left ones hold numbers.
  mutating func table(_ header: [String], _ rows: [[String]], leftColumns: Set<Int>) {
    func cells(_ cells: [String], _ tag: String) -> String {
      cells.enumerated().map { column, text in
        "<\(tag)\(leftColumns.contains(column) ? "" : " class=\"number\"")>\(Self.escaped(text))</\(tag)>"
      }.joined()
    }
    let lines = rows.map { "<tr>\(cells($0, "td"))</tr>" }
    body.append(
      """
      <div class="wide"><table><thead><tr>\(cells(header, "th"))</tr></thead><tbody>
      \(lines.joined(separator: "\n"))
      </tbody></table></div>
      """)
  }

  /// A picture that gnuplot has drawn as SVG, in the page itself.
  mutating func picture(_ file: URL, caption: String) throws {
    let svg = try InlineSVG(file, number: body.count)
    body.append(
      "<figure><div class=\"wide\" role=\"img\" aria-label=\"\(Self.escaped(caption))\">\n\(svg.text)\n</div>"
        + "<figcaption>\(Self.escaped(caption))</figcaption></figure>")
  }

  /// The pictures of a folder, or the word that they are missing.
  mutating func pictures(_ names: [String]?, in folder: URL, captions: [String: String]) throws {
    guard let names else { return paragraph(Gnuplot.isMissing) }
    for name in names where name.hasSuffix(".svg") {
      let stem = String(name.dropLast(4))
      try picture(folder.appendingPathComponent(name), caption: captions[stem] ?? stem)
    }
  }

  var text: String {
    """
    <!DOCTYPE html>
    <html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <title>\(Self.escaped(title))</title>
    <style>\(Self.style)</style></head><body><main>
    <h1>\(Self.escaped(title))</h1>
    \(body.joined(separator: "\n"))
    </main><script>\(Self.script)</script></body></html>

    """
  }

  private static let style = """

    :root { color-scheme: light dark; --ink: #1c1e21; --soft: #5d636b; --line: #d9dce0; --page: #ffffff; --card: #f5f6f8;
      --mark: #0072b2; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e7e9; --soft: #a3a9b1; --line: #3b4047; --page: #17191c;
      --card: #212428; --mark: #6cb7e6; } }
    body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
    main { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
    h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0 1.25rem; }
    h2 { font-size: 1.2rem; margin: 2.25rem 0 .75rem; }
    p, ul { max-width: 48rem; }
    a { color: var(--mark); }
    .findings { background: var(--card); border-left: 4px solid var(--mark); border-radius: 4px; list-style: none;
      margin: 1.25rem 0; padding: .9rem 1.1rem; }
    .findings li + li { margin-top: .4rem; }
    pre { background: var(--card); border-radius: 4px; color: var(--soft); font-size: .8rem; line-height: 1.5;
      overflow-x: auto; padding: .8rem 1rem; white-space: pre-wrap; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; }
    th, td { border-bottom: 1px solid var(--line); padding: .35rem .55rem; text-align: left; white-space: nowrap; }
    th { border-bottom: 2px solid var(--line); color: var(--soft); cursor: pointer; font-weight: 600; }
    th:hover { color: var(--mark); }
    th[data-up="true"]::after { content: " \\2191"; }
    th[data-up="false"]::after { content: " \\2193"; }
    .number { text-align: right; }
    tbody tr:hover { background: var(--card); }
    figure { margin: 1.5rem 0; }
    figure svg { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; display: block; height: auto;
      max-width: 100%; }
    figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; }
    @media screen and (max-width: 40rem) { figure svg { max-width: none; width: 60rem; } }
    @media print { body { font-size: 10pt; } main { max-width: none; padding: 0; } h2 { break-after: avoid; }
      figure, tr { break-inside: avoid; } .wide { overflow: visible; } table { font-size: 6.5pt; }
      th, td { padding: 2pt 3pt; white-space: normal; } }

    """

  /// Sorts by numbers where a column has them: `1.5 ms` by its unit, `94.2 %` and `2/3` by what comes first.
  private static let script = """

    //<![CDATA[
    const units = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1 };
    function value(text) {
      const number = parseFloat(text.replace("inf", "Infinity"));
      const unit = units[text.trim().split(" ").pop()];
      return isNaN(number) ? null : number * (unit || 1);
    }
    for (const head of document.querySelectorAll("th")) head.addEventListener("click", () => {
      const body = head.closest("table").tBodies[0], column = head.cellIndex;
      const up = head.dataset.up !== "true";
      for (const other of head.parentNode.cells) delete other.dataset.up;
      head.dataset.up = up;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [a, b].map(row => row.cells[column].textContent);
        const [p, q] = [value(x), value(y)];
        return (p === null || q === null ? x.localeCompare(y) : p - q) * (up ? 1 : -1);
      });
      body.append(...rows);
    });
    //]]>

    """
}
