import XCTest

@testable import Momentum

/// How many processors a control group pays for.
final class ProcessorQuotaTests: XCTestCase {
  private func limit(_ files: [String: String]) -> Double? { ProcessorQuota.limit { files[$0] } }

  func testVersion2() {
    let group = ["/proc/self/cgroup": "0::/batch/job 7\n"]
    XCTAssertNil(limit(group))
    XCTAssertNil(limit(group.merging(["/sys/fs/cgroup/batch/job 7/cpu.max": "max 100000\n"]) { $1 }))
    let half = group.merging(["/sys/fs/cgroup/batch/job 7/cpu.max": "50000 100000\n"]) { $1 }
    XCTAssertEqual(limit(half), 0.5)
    // The smallest limit of the groups around it counts.
    XCTAssertEqual(limit(half.merging(["/sys/fs/cgroup/batch/cpu.max": "20000 100000\n"]) { $1 }), 0.2)
    XCTAssertEqual(limit(half.merging(["/sys/fs/cgroup/batch/cpu.max": "300000 100000\n"]) { $1 }), 0.5)
  }

  func testInsideAContainerOnlyTheOutermostGroupExists() {
    let files = ["/proc/self/cgroup": "0::/docker/0123\n", "/sys/fs/cgroup/cpu.max": "250000 100000\n"]
    XCTAssertEqual(limit(files), 2.5)
    XCTAssertEqual(limit(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n"]), 1.5)
  }

  func testVersion1() {
    var files = [
      "/proc/self/cgroup": "12:memory:/job\n4:cpu,cpuacct:/job\n0::/job\n",
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/memory/job/cpu.max": "1 100000\n",
    ]
    XCTAssertNil(limit(files))
    files["/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us"] = "300000\n"
    XCTAssertEqual(limit(files), 3)
  }

  func testWhatCannotBeReadLimitsNothing() {
    XCTAssertNil(limit([:]))
    for text in ["", "100000", "x y", "0 100000", "-5 100000", "nan 1", "5 0"] {
      XCTAssertNil(limit(["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": text]), text)
    }
  }

  func testTheProcessUsesNoMoreThanItMay() {
    XCTAssertGreaterThanOrEqual(Machine.availableProcessors, 1)
    XCTAssertLessThanOrEqual(Machine.availableProcessors, Machine.boundProcessors)
    if let quota = Machine.processorQuota { XCTAssertLessThanOrEqual(Machine.availableProcessors, quota) }
  }
}
