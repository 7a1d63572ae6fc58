import Foundation
import MomentumTestSupport
import XCTest

/// Whether the reader of sources that `LayeringTests` relies on reads them rightly: on texts made for it.
final class SourceGraphTests: XCTestCase {
  /// Every reference from `Top.swift` to `Base.swift` as "line name".
  private func references(_ base: String, _ top: String) -> [String] {
    let files = [SourceFile(path: "Base.swift", text: base), SourceFile(path: "Top.swift", text: top)]
    return SourceGraph(files, module: "M").references.filter { $0.file == "Top.swift" }.map { "\($0.line) \($0.name)" }
  }

  func testCommentsAndStringsAreNoCode() {
    let top = ##"""
      // T
      /* T /* T */ T */
      /// ``T``
      let a = "T \" T", b = #"T \(T)"#, c = """
        T "T"
        \(T.self) T
        """
      let d = #"\#(T.self)"# + "\("\(T.self)")", `default` = 1.5e-3
      #if os(T)
        let e: [T] = []
      #endif
      let f = `T`.self
      """##
    XCTAssertEqual(references("struct T {}", top), ["6 T", "8 T", "8 T", "10 T", "12 T"])
  }

  func testTypesAreFoundWhereverTheyStand() {
    let top = """
      @Wrapper(T.self) struct A<S: P>: P where S.Element == T {
        typealias B = [String: T?]
        let c: (T) throws(E) -> Void, d: M.T
        func e<R>(_ f: inout T, g: R = T.make()) throws(E) -> some P { f as? T ?? [T]()[0] }
        subscript(h: Array<Array<T>>) -> T.Inner { h }
        enum I: Error { case j(T), k }
      }
      extension T: Q {}
      """
    XCTAssertEqual(
      references(
        "struct T { struct Inner {}\n static func make() -> T { T() } }\nprotocol P {}\nprotocol Q {}\nenum E: Error {}",
        top),
      [
        "1 T", "1 P", "1 P", "1 T", "2 T", "3 T", "3 E", "3 T", "4 T", "4 T", "4 make", "4 E", "4 P", "4 T", "4 T",
        "5 T", "5 T", "5 Inner", "6 T", "8 T", "8 Q",
      ])
  }

  func testTypesOfTheSameNameAreToldApart() {
    let base = "struct Kind {}\nstruct Outer { enum Kind { case a } }"
    XCTAssertEqual(references(base, "struct A { enum Kind { case a }\n let kind: Kind = .a }"), [])
    XCTAssertEqual(references(base, "struct A { let kind: Outer.Kind = .a }"), ["1 Outer", "1 Kind", "1 a"])
    XCTAssertEqual(references(base, "func f<Kind>(_ kind: Kind) -> Kind { kind }"), [])
    XCTAssertEqual(references(base, "extension Outer { func f(_ kind: Kind) {} }"), ["1 Outer", "1 Kind"])
    XCTAssertEqual(references("struct Other { struct Inner {} }", "let inner: Inner? = nil"), [])
  }

  func testMembersAreThoseOfTheValuesType() {
    let base = """
      struct Table { var entries: [Entry]; var size = 1
        struct Entry { var offset: Int; func move(by: Int) -> Entry { self } } }
      func free(_ x: Int) -> Table { Table(entries: []) }
      """
    let top = """
      struct Own { let offset = 1; let size = 2; func move(by: Int, to: Int) {} }
      func f(_ table: Table, _ own: Own, _ pointer: UnsafeMutablePointer<Table>) {
        _ = own.offset + table.entries[0].offset
        let first = table.entries.first, other = free(1)
        _ = first!.move(by: own.size).offset
        for entry in table.entries { _ = entry.offset }
        _ = pointer.pointee.size + other.size + pointer.size
        own.move(by: 1, to: 2)
        if let size = Optional(own.size) { _ = size }
      }
      """
    XCTAssertEqual(
      references(base, top),
      [
        "2 Table", "2 Table", "3 entries", "3 offset", "4 entries", "4 free", "5 move", "5 offset", "6 entries",
        "6 offset",
        "7 size", "7 size",
      ])
  }

  func testMembersOfAnUnknownValueAreFoundByTheirNames() {
    let base = "struct A { var unusual = 1, count = 1\n func act(on x: Int) {} }"
    XCTAssertEqual(references(base, "func f(_ x: some Any) { x.unusual; x.act(on: 1) }"), ["1 unusual", "1 act"])
    // Names of the standard library, and calls with other labels, are somebody else's.
    XCTAssertEqual(references(base, "func f(_ x: some Any) { x.count; x.act(with: 1); x.unusual(1) }"), [])
  }

  func testWhatIsPrivateIsNotMeantElsewhere() {
    let base =
      "private struct Hidden { var secret = 1 }\nextension Int { private var own: Int { 1 } }\nstruct A { private(set) var seen = 1 }"
    XCTAssertEqual(references(base, "func f(_ x: some Any) { Hidden(); x.secret; 1.own; x.seen }"), ["1 seen"])
  }

  func testLocalNamesHideOthers() {
    let base = "func value(_ x: Int) -> Int { x }\nlet total = 1"
    let top = """
      func f(total: Int) -> Int { total }
      func g() { let total = 2; _ = { total + $0 }(1) }
      func h() { for total in 0..<3 { print(total) } }
      func i() -> [Int] { [1].map { total in total } }
      func j() -> Int { let total = total; return total }
      func k(_ x: Int?) { if let total = x { _ = total } }
      func l() { print(total: 1, value(2)) }
      """
    XCTAssertEqual(references(base, top), ["5 total", "7 value"])
  }

  func testImplicitMembersBelongToWhatIsExpected() {
    let base = "enum Mode { case fast, slow(Int)\n static let usual = Mode.fast }\nfunc run(_ mode: Mode) {}"
    let top = """
      enum Own { case fast, slow(Int) }
      func f(_ mode: Mode, _ own: Own) -> Own {
        switch own { case .fast: break; case .slow(let n): print(n) }
        switch mode { case .fast: break; case .slow(let n): print(n) }
        if own == .fast || mode == .fast { run(.usual) }
        return .fast
      }
      """
    XCTAssertEqual(
      references(base, top), ["2 Mode", "4 fast", "4 slow", "5 fast", "5 run", "5 usual"])
  }

  // MARK: - The way of a step

  private static let way = """
    ## The way of a step

    Text.

    1. `A/A.swift`: `step(_:by:)` checks, and calls
    2. `B/B.swift`: `Table.run(_:)`
    3. `B/B.swift`: `inner`
    4. Back in `A/A.swift`: `step(_:by:)`
    5. `C/C.swift`: `init(_:)`

    ## Another
    1. nothing
    """

  private func wayProblems(_ article: String, _ a: String = "run(1); _ = Report(2)") throws -> [String] {
    try StepWay(article: article).problems(in: [
      SourceFile(path: "A/A.swift", text: "func step(_ x: Int, by y: Int) { /* finish() */ \(a) }"),
      SourceFile(
        path: "B/B.swift", text: "struct Table { func run(_ x: Int) { inner {} } }\nfunc inner(_ body: () -> Void) {}"),
      SourceFile(path: "C/C.swift", text: "struct Report { init(_ x: Int) {} }\nfunc finish() {}"),
    ])
  }

  func testAWayThatIsTrue() throws {
    XCTAssertEqual(try wayProblems(Self.way), [])
    let way = try StepWay(article: Self.way)
    XCTAssertEqual(way.stops.map(\.function), ["step(_:by:)", "Table.run(_:)", "inner", "step(_:by:)", "init(_:)"])
    XCTAssertEqual(way.stops.map(\.isReturn), [false, false, false, true, false])
    XCTAssertEqual([way.fileCount, way.roomChanges], [3, 3])
  }

  func testAWayThatIsNotTrue() throws {
    func changed(_ old: String, _ new: String) throws -> [String] {
      XCTAssertTrue(Self.way.contains(old))
      return try wayProblems(Self.way.replacingOccurrences(of: old, with: new))
    }
    XCTAssertEqual(try changed("C/C.swift", "C/D.swift"), ["5. C/D.swift: init(_:): there is no such file"])
    XCTAssertEqual(
      try changed("`inner`", "`outer`"), ["3. B/B.swift: outer: the file declares no such function with a body"])
    XCTAssertEqual(
      try changed("Table.run(_:)", "Table.run(_:_:)"),
      ["2. B/B.swift: Table.run(_:_:): the file declares no such function with a body"])
    XCTAssertEqual(
      try changed("`init(_:)`", "`finish()`"), ["5. C/C.swift: finish(): no function above that still waits calls it"])
    XCTAssertEqual(
      try changed("Back in `A/A.swift`: `step(_:by:)`", "Back in `C/C.swift`: `finish()`"),
      [
        "4. C/C.swift: finish(): nothing there waits for the function before"
      ])
    // Called with other labels, or only mentioned.
    for body in ["run(x: 1); _ = Report(2)", "let run = 1; _ = Report(2)", "\"run(1)\"; _ = Report(2)"] {
      XCTAssertEqual(
        try wayProblems(Self.way, body), ["2. B/B.swift: Table.run(_:): no function above that still waits calls it"],
        body)
    }
    XCTAssertEqual(
      try wayProblems(Self.way, "run(1)"), ["5. C/C.swift: init(_:): no function above that still waits calls it"])
  }

  func testAFunctionThatWaitsNeedsNoRowBeforeItCallsAgain() throws {
    let way = Self.way.replacingOccurrences(of: "4. Back in `A/A.swift`: `step(_:by:)`\n", with: "")
      .replacingOccurrences(of: "5. `C/C.swift`", with: "4. `C/C.swift`")
    XCTAssertEqual(try wayProblems(way), [])
    XCTAssertEqual([try StepWay(article: way).fileCount, try StepWay(article: way).roomChanges], [3, 2])
    // A function that has returned calls nothing any more.
    let again = way.replacingOccurrences(of: "## Another", with: "5. `B/B.swift`: `inner`\n\n## Another")
    XCTAssertEqual(try wayProblems(again), ["5. B/B.swift: inner: no function above that still waits calls it"])
  }

  func testRowsThatCannotBeRead() {
    let head = "## The way of a step\n\n1. `A/A.swift`: `f()`\n"
    for wrong in [
      "no section", "## The way of a step\n\nText\n", head, head + "2. B/B.swift: `g()`\n",
      head + "3. `B/B.swift`: `g()`\n",
      head + "2. `B/B.swift` `g()`\n",
    ] {
      XCTAssertThrowsError(try StepWay(article: wrong), wrong) { error in
        XCTAssertTrue("\(error)".contains("The way of a step"), "\(error)")
      }
    }
  }
}
