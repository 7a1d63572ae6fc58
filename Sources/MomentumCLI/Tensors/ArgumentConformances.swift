public import ArgumentParser
public import Momentum

// The library's enumerations as the values of options.
extension Convention: ExpressibleByArgument {}
extension OverflowPolicy: ExpressibleByArgument {}
extension NormAlgorithm: ExpressibleByArgument {}
extension StepKernels: ExpressibleByArgument {}
extension Accumulation: ExpressibleByArgument {}
extension PerExampleClipping.Scope: ExpressibleByArgument {}
extension OutputType: ExpressibleByArgument {}
