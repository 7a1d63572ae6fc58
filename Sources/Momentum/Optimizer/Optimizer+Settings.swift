// Settings may change between steps; the first step after a change checks them all.
extension Optimizer {
  /// Checks what may have changed since the last step, and resolves the rules for this one.
  mutating func checkStep() throws(MomentumError) {
    if !areSettingsChecked || !rules.holdForEveryStep {
      try checkSettings()
    } else if velocitiesConflict {
      try checkVelocities(rules)
    }
  }

  /// Checks all settings, and resolves the rules for this step.
  ///
  /// Nothing that reports tell of the last step is replaced before all have been checked.
  mutating func checkSettings() throws(MomentumError) {
    let haveChanged = !areSettingsChecked
    // Set to false first: if a check fails, the next step checks again.
    areSettingsChecked = false
    if haveChanged { correctionsAreChecked = false }
    _ = try Machine.threads(threads)
    let membership = areGroupsBound ? nil : try ParameterGroup.membership(groups, of: layout)
    try nextRules.resolve(rule, groups, at: stepCount)
    try nextRules.validate(groups, clipping, averaging)
    try mode.validate(nonFinitePolicy, clipping, groups, averaging)
    try mode.validate(nextRules, adaptedLossScale, adaptedLimit)
    velocitiesConflict = false
    for index in states.velocities.indices where conflicts(index, nextRules, membership) { velocitiesConflict = true }
    if velocitiesConflict { try checkVelocities(nextRules, membership) }
    if haveChanged { try Self.checkTransforms(nextRules, table, membership) }

    swap(&rules, &nextRules)
    if let membership { bind(membership) }
    if haveChanged {
      stage.settings = clipSettings
      reportedGroups = groups.map(\.name)
    }
    areSettingsChecked = true
  }

  /// Sets the group of every tensor.
  mutating func bind(_ membership: [Int?]) {
    for (index, group) in membership.enumerated() { table.decisions[index].group = group ?? -1 }
    areGroupsBound = true
  }

  /// The group of a tensor, where not all are bound yet by their membership.
  private static func group(
    of index: Int, _ table: TensorTable<Scalar>, _ membership: [Int?]?
  ) -> Int {
    guard let membership else { return table.decisions[index].group }
    return membership[index] ?? -1
  }

  /// The settings for measuring and clipping that follow from the current settings.
  var clipSettings: ClipSettings {
    if areSettingsChecked { return stage.settings }
    return ClipSettings(
      clipping, groups: groups.map(\.clipping), exempt: ParameterGroup.exempt(groups), convention: rule.convention,
      policy: Self.effectivePolicy(nonFinitePolicy, adaptedLossScale), adapts: adaptedLimit != nil,
      // A rule that scales tensors decides by their norms, and takes those that clipping measures.
      reportsNorms: reportsNorms || rules.scaleUnits, measuresPortably: measuresPortably)
  }

  /// Throws if a rule would transform a tensor that is no matrix, or the settings of a transform are not valid.
  static func checkTransforms(
    _ rules: StepRules, _ table: TensorTable<Scalar>, _ membership: [Int?]? = nil
  ) throws(MomentumError) {
    guard rules.transformTensors else { return }
    for index in table.entries.indices {
      guard let transform = rules.transform(ofGroup: group(of: index, table, membership)) else { continue }
      try transform.method.validate()
      _ = try transform.view.matrices(of: table.shapes[index], tensor: table.name(of: index))
    }
  }

  /// Throws if the velocity of a tensor that has a gradient in this step is in a form that its rule would misread.
  @inline(never)
  private func checkVelocities(_ rules: StepRules, _ membership: [Int?]? = nil) throws(MomentumError) {
    for index in states.velocities.indices
    where table.entries[index].gradient != nil && conflicts(index, rules, membership) {
      throw rules.traits(of: Self.group(of: index, table, membership)).conflict(tensor: layout.tensors[index].name)
    }
  }

  private func conflicts(_ index: Int, _ rules: StepRules, _ membership: [Int?]?) -> Bool {
    states.velocities[index].conflicts(with: rules.traits(of: Self.group(of: index, table, membership)))
  }
}
