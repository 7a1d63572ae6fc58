import MomentumCLI

Programs.momentum()
