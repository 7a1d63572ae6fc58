/// The processor time that the system grants a process and those of its group, as containers and batch systems limit it.
///
/// Linux's control groups state a time for each period; more threads than that many processors would only be stopped in
/// turn.
enum ProcessorQuota {
  /// The number of processors whose time this process may use, rounded up; `nil` without a limit.
  static func processors() -> Int? {
    limit { Platform.contents(ofSmallFile: $0) }.map { max(1, Int($0.rounded(.up))) }
  }

  /// The smallest limit of a process's groups and of the groups around them, in processors.
  ///
  /// - Parameter contents: The text of a file; `nil` if there is none.
  static func limit(_ contents: (_ path: String) -> String?) -> Double? {
    var least: Double?
    // Each line: number of the hierarchy, its controllers, path of the group; version 2 has number 0 and no controllers.
    for line in (contents("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",")
      guard controllers.isEmpty || controllers.contains("cpu") else { continue }
      let root = "/sys/fs/cgroup" + (controllers.isEmpty ? "" : "/" + fields[1])
      for group in groups(around: fields[2]) {
        let found =
          controllers.isEmpty
          ? contents(root + group + "/cpu.max").flatMap(limit(ofLine:))
          : limit(contents(root + group + "/cpu.cfs_quota_us"), contents(root + group + "/cpu.cfs_period_us"))
        if let found { least = min(least ?? found, found) }
      }
    }
    return least
  }

  /// A group and those around it, the outermost last: inside a container the path may be that of the host, and then only
  /// the outermost exists.
  private static func groups(around path: Substring) -> [String] {
    var parts = path.split(separator: "/")
    var groups: [String] = []
    while !parts.isEmpty {
      groups.append("/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return groups + [""]
  }

  /// Of version 2: time and period in microseconds, or the word `max` in place of the time.
  private static func limit(ofLine line: String) -> Double? {
    let words = line.split { $0.isWhitespace }
    return words.count == 2 ? ratio(words[0], words[1]) : nil
  }

  /// Of version 1: the time is -1 without a limit.
  private static func limit(_ quota: String?, _ period: String?) -> Double? {
    guard let quota = quota?.split(whereSeparator: \.isWhitespace).first,
      let period = period?.split(whereSeparator: \.isWhitespace).first
    else { return nil }
    return ratio(quota, period)
  }

  private static func ratio(_ quota: Substring, _ period: Substring) -> Double? {
    guard let quota = Double(quota), let period = Double(period), quota > 0, quota.isFinite, period > 0 else {
      return nil
    }
    return quota / period
  }
}
