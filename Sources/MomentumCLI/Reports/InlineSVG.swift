import Foundation

/// An SVG file made fit to stand in a page with others: without its prolog and its title, its identifiers and
/// references to them its own.
struct InlineSVG {
  let text: String

  /// - Parameters:
  ///   - file: A picture as gnuplot draws it.
  ///   - number: Tells its identifiers from those of the page's other pictures.
  init(_ file: URL, number: Int) throws {
    do {
      try self.init(String(contentsOf: file, encoding: .utf8), number: number)
    } catch let error as DataFileError {
      throw error
    } catch {
      throw DataFileError(file: file.path, cause: "cannot be read: \(error.localizedDescription)")
    }
  }

  init(_ svg: String, number: Int) throws {
    guard let start = svg.range(of: "<svg"), let end = svg.range(of: "</svg>", options: .backwards) else {
      throw DataFileError(file: "picture \(number)", cause: "is no SVG; expected an element <svg>")
    }
    let prefix = "p\(number)-"
    // gnuplot titles every picture "Gnuplot", which browsers show under the pointer.
    text = String(svg[start.lowerBound..<end.upperBound])
      .replacing(/<title>[^<]*<\/title>\s*/, with: "")
      .replacing(/(\sid=["'])/) { "\($0.output.1)\(prefix)" }
      .replacing(/(href=["']#)/) { "\($0.output.1)\(prefix)" }
      .replacing(/(url\(["']?#)/) { "\($0.output.1)\(prefix)" }
  }
}
