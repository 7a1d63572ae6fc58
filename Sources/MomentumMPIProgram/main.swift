import MomentumCLI

Programs.momentumMPI()
