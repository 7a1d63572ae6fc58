// Settings may change between steps; the first step after a change checks them all.
extension Optimizer {
  /// Checks all settings, and resolves the rules for this step.
  mutating func checkSettings() throws(MomentumError) {
    let haveChanged = !areSettingsChecked
    // Set to false first: if a check fails, the next step checks again.
    areSettingsChecked = false
    if haveChanged { correctionsAreChecked = false }
    _ = try Machine.threads(threads)
    if !areGroupsBound { bind(try ParameterGroup.membership(groups, of: layout)) }
    try rules.resolve(rule, groups, at: stepCount)
    try rules.validate(groups, clipping, averaging)
    try mode.validate(nonFinitePolicy, clipping, groups, averaging)
    try mode.validate(rules, adaptedLossScale, adaptedLimit)
    velocitiesConflict = false
    for index in states.velocities.indices where conflicts(index) { velocitiesConflict = true }
    if velocitiesConflict { try checkVelocities() }
    if haveChanged { try Self.checkTransforms(rules, table) }
    // Done last, so that the reports stay those of the last step until another step is taken.
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

  /// The settings for measuring and clipping that follow from the current settings.
  var clipSettings: ClipSettings {
    if areSettingsChecked { return stage.settings }
    return ClipSettings(
      clipping, groups: groups.map(\.clipping), exempt: ParameterGroup.exempt(groups), convention: rule.convention,
      policy: Self.effectivePolicy(nonFinitePolicy, adaptedLossScale), adapts: adaptedLimit != nil,
      // A rule that scales tensors decides by their norms, and takes those that clipping measures.
      reportsNorms: reportsNorms || rules.scaleUnits)
  }

  /// Throws if a rule would transform a tensor that is no matrix, or the settings of a transform are not valid.
  static func checkTransforms(_ rules: StepRules, _ table: TensorTable<Scalar>) throws(MomentumError) {
    guard rules.transformTensors else { return }
    for index in table.entries.indices {
      guard let transform = rules.transform(ofGroup: table.decisions[index].group) else { continue }
      try transform.method.validate()
      _ = try transform.view.matrices(of: table.shapes[index], tensor: table.name(of: index))
    }
  }

  /// Throws if the velocity of a tensor that has a gradient in this step is in a form that its rule would misread.
  @inline(never)
  func checkVelocities() throws(MomentumError) {
    for index in states.velocities.indices where table.entries[index].gradient != nil && conflicts(index) {
      throw rules.traits(of: table.decisions[index].group).conflict(tensor: layout.tensors[index].name)
    }
  }

  private func conflicts(_ index: Int) -> Bool {
    states.velocities[index].conflicts(with: rules.traits(of: table.decisions[index].group))
  }
}
