import Foundation
import MomentumTestSupport
import XCTest

/// Whether the library is the house with floors that the architecture article describes: by the text of its sources alone.
///
/// Lines that begin with "rooms: " are what `Scripts/rooms.sh` shows.
final class LayeringTests: XCTestCase {
  private static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/Momentum")

  private static let files = Result { try SourceGraph.files(below: sources) }
  private static let graph = files.map { SourceGraph($0, module: "Momentum") }

  private static func article() throws -> String {
    let place = sources.appendingPathComponent("Documentation.docc/Architecture.md")
    return try String(contentsOf: place, encoding: .utf8)
  }

  // MARK: - The house

  func testEveryFolderIsARoomAndEveryRoomAFolder() throws {
    let rooms = try SourceRooms(article: Self.article())
    for difference in rooms.differences(from: try Self.files.get()) {
      print("rooms: \(difference)")
      XCTFail(difference)
    }
  }

  func testNoRoomNamesAHigherOne() throws {
    let rooms = try SourceRooms(article: Self.article())
    let offences = rooms.offences(in: try Self.graph.get())
    print("rooms: backward references: \(offences.count)")
    for offence in offences {
      print("rooms:   \(offence)")
      XCTFail("\(offence)")
    }
    // A check that saw nothing would find nothing wrong.
    XCTAssertGreaterThan(try Self.graph.get().references.count, 1000)
  }

  func testKnotsAreSmall() throws {
    let largest = try Self.graph.get().knots.first ?? []
    print(
      "rooms: largest knot: \(max(largest.count, 1)) \(largest.isEmpty ? "" : "files: ")\(largest.joined(separator: ", "))"
    )
    XCTAssertLessThanOrEqual(largest.count, 4, "these files refer to each other in a circle: \(largest)")
  }

  func testTheWayOfAStep() throws {
    let way = try StepWay(article: Self.article())
    for problem in way.problems(in: try Self.files.get()) { XCTFail("the way of a step, \(problem)") }
    XCTAssertLessThanOrEqual(way.fileCount, 12, "files on the way of a step")
    XCTAssertLessThanOrEqual(way.roomChanges, 8, "changes of room on the way of a step")
  }

  // MARK: - Negative controls

  /// What a file would add to the offences of the real sources.
  private func added(_ path: String, _ text: String) throws -> [String] {
    let rooms = try SourceRooms(article: Self.article())
    let before = Set(rooms.offences(in: try Self.graph.get()))
    let files = try Self.files.get() + [SourceFile(path: path, text: text)]
    let after = rooms.offences(in: SourceGraph(files, module: "Momentum"))
    return after.filter { !before.contains($0) }.map { "\($0.file):\($0.line): \($0.name)" }
  }

  func testATypeOfAHigherRoomIsFound() throws {
    XCTAssertEqual(
      try added(
        "Base/Control.swift",
        """
        /// Not a name: `Optimizer`.
        struct Control {
          let text = "Optimizer"
          func test() -> Optimizer<Float>? { nil }
          func say() -> String { "no name, and \\(StepReport.self)" }
        }
        extension Optimizer: CustomStringConvertible {}
        """),
      ["Base/Control.swift:4: Optimizer", "Base/Control.swift:5: StepReport", "Base/Control.swift:7: Optimizer"])
  }

  func testAMemberOfAHigherRoomIsFound() throws {
    XCTAssertEqual(
      try added(
        "Base/Control.swift",
        """
        func control(_ unknown: some Any, _ numbers: [Int]) {
          let own = { (lastPrograms: Int) in lastPrograms }
          print(unknown.lastPrograms, own(1), numbers.count)
        }
        """),
      ["Base/Control.swift:3: lastPrograms"])
  }

  func testNamesOfItsOwnAreNoOffence() throws {
    XCTAssertEqual(
      try added(
        "Base/Control.swift",
        """
        private struct Control<Optimizer> {
          enum StepReport { case onePass }
          let optimizer: Optimizer
          func report(learningRate: Double) -> StepReport { .onePass }
          func call() { for clipping in [1.0] { _ = report(learningRate: clipping) } }
        }
        """), [])
  }

  func testAKnotOfFiveFilesIsFound() throws {
    let circle = (0..<5).map { number in
      SourceFile(path: "Base/K\(number).swift", text: "struct K\(number) { var next: [K\((number + 1) % 5)] }")
    }
    let outside = SourceFile(path: "Base/Outside.swift", text: "struct Outside { let first: K0 }")
    let graph = SourceGraph(try Self.files.get() + circle + [outside], module: "Momentum")
    XCTAssertEqual(graph.knots.first(where: { $0.contains("Base/K0.swift") }), circle.map(\.path))
    XCTAssertEqual(SourceGraph(circle + [outside], module: "M").knots, [circle.map(\.path)])
    XCTAssertEqual(SourceGraph(Array(circle.dropLast()) + [outside], module: "M").knots, [])
  }

  // MARK: - The list of rooms

  func testTheListOfRoomsIsRead() throws {
    let table =
      "# A\n\n## The rooms\n\nText.\n\n| Room | x |\n|---|---|\n| `Base` | x |\n| `Top` | `y` |\n\n## B\n\n| `No` | x |\n"
    XCTAssertEqual(try SourceRooms(article: table).names, ["Base", "Top"])
    XCTAssertEqual(try SourceRooms(article: "## The rooms\n- `Base`: x\n- `Top`: y").names, ["Base", "Top"])
    for wrong in ["## Rooms\n| `Base` | x |", "## The rooms\n\nnone\n", "## The rooms\n- `A`\n- `A`\n"] {
      XCTAssertThrowsError(try SourceRooms(article: wrong), wrong)
    }
  }

  func testFoldersAndListMustAgree() {
    let files = ["Base/A.swift", "Attic/Deep/B.swift", "C.swift"].map { SourceFile(path: $0, text: "") }
    XCTAssertEqual(
      SourceRooms(names: ["Base", "Top"]).differences(from: files),
      [
        "C.swift lies in no room", "the folder Attic is not in the list of rooms",
        "there is no folder for the room Top",
      ])
  }
}
