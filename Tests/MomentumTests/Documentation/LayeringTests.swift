import Foundation
import MomentumTestSupport
import XCTest

/// Whether the library is the house with floors that the architecture article describes: by the text of its sources alone.
///
/// Lines that begin with "rooms: " are what `Scripts/rooms.sh` shows.
final class LayeringTests: XCTestCase {
  private static let sources = Checkout.root.appendingPathComponent("Sources/Momentum")

  private static let files = Result { try SourceGraph.files(below: sources) }
  private static let graph = files.map { SourceGraph($0, module: "Momentum") }

  private static func article() throws -> String {
    let place = sources.appendingPathComponent("Documentation.docc/Architecture.md")
    return try String(contentsOf: place, encoding: .utf8)
  }

  // MARK: - The house

  func testEveryFolderIsARoomAndEveryRoomAFolder() throws {
    let rooms = try SourceRooms(article: Self.article())
    for difference in rooms.differences(from: try Self.files.get()) { XCTFail(difference) }
  }

  func testNoRoomNamesAHigherOne() throws {
    let rooms = try SourceRooms(article: Self.article())
    let graph = try Self.graph.get()
    let offences = rooms.offences(in: graph)
    print("rooms: backward references: \(offences.count)")
    for offence in offences { XCTFail("\(offence)") }
    // A reader that saw nothing would find nothing wrong.
    XCTAssertGreaterThan(graph.references.count, 1000)
  }

  func testKnotsAreSmall() throws {
    // A file by itself, where no two refer to each other.
    let largest = try Self.graph.get().knots.first ?? []
    print("rooms: largest knot: \(max(largest.count, 1))\(largest.map { "\nrooms:   \($0)" }.joined())")
    XCTAssertLessThanOrEqual(largest.count, 4, "files that refer to each other in a circle")
  }

  func testTheWayOfAStep() throws {
    let way = try StepWay(article: Self.article())
    print("rooms: the way of a step: \(way.fileCount) files, \(way.roomChanges) changes of room")
    for problem in way.problems(in: try Self.files.get()) { XCTFail("the way of a step, \(problem)") }
    XCTAssertLessThanOrEqual(way.fileCount, 12, "files on the way of a step")
    XCTAssertLessThanOrEqual(way.roomChanges, 8, "changes of room on the way of a step")
  }

  // MARK: - Negative controls

  /// Files that break the rules, to be looked at together with the real ones.
  private static let controls = [
    SourceFile(
      path: "Base/TypeControl.swift",
      text: """
        /// Not a name: `Optimizer`.
        struct TypeControl {
          let text = "Optimizer"
          func test() -> Optimizer<Float>? { nil }
          func say() -> String { "no name, and \\(StepReport.self)" }
        }
        extension Optimizer: CustomStringConvertible {}
        """),
    SourceFile(
      path: "Base/MemberControl.swift",
      text: """
        func memberControl(_ unknown: some Any, _ numbers: [Int]) {
          let own = { (lastPrograms: Int) in lastPrograms }
          print(unknown.lastPrograms, own(1), numbers.count)
        }
        """),
    // Breaks none: the names are its own.
    SourceFile(
      path: "Base/NameControl.swift",
      text: """
        private struct NameControl<Optimizer> {
          enum StepReport { case onePass }
          let optimizer: Optimizer
          func report(learningRate: Double) -> StepReport { .onePass }
          func call() { for clipping in [1.0] { _ = report(learningRate: clipping) } }
        }
        """),
  ]

  /// Files that refer to each other in a circle.
  private static let circle = (0..<5).map { number in
    SourceFile(path: "Base/K\(number).swift", text: "struct K\(number) { var next: [K\((number + 1) % 5)] }")
  }
  private static let outside = SourceFile(path: "Base/Outside.swift", text: "struct Outside { let first: K0 }")

  private static let controlGraph = files.map {
    SourceGraph($0 + controls + circle + [outside], module: "Momentum")
  }

  func testNamesOfHigherRoomsAreFound() throws {
    let rooms = try SourceRooms(article: Self.article())
    let before = Set(rooms.offences(in: try Self.graph.get()))
    let added = rooms.offences(in: try Self.controlGraph.get()).filter { !before.contains($0) }
    XCTAssertEqual(
      added.map { "\($0.file):\($0.line): \($0.name)" },
      [
        "Base/TypeControl.swift:4: Optimizer", "Base/TypeControl.swift:5: StepReport",
        "Base/TypeControl.swift:7: Optimizer", "Base/MemberControl.swift:3: lastPrograms",
      ])
  }

  func testAKnotOfFiveFilesIsFound() throws {
    let knots = try Self.controlGraph.get().knots
    XCTAssertEqual(knots.filter { $0.contains { $0.hasPrefix("Base/K") } }, [Self.circle.map(\.path)])
    XCTAssertEqual(SourceGraph(Self.circle + [Self.outside], module: "M").knots, [Self.circle.map(\.path)])
    XCTAssertEqual(SourceGraph(Self.circle.dropLast() + [Self.outside], module: "M").knots, [])
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
