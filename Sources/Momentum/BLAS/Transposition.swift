internal import CMomentumBLAS

/// CBLAS's number for a matrix as it is stored, or for its transpose.
@inline(__always)
func transposition(_ transposed: Bool) -> Int32 { Int32(transposed ? MOMENTUM_TRANSPOSED : MOMENTUM_NOT_TRANSPOSED) }
