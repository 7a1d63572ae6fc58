import Momentum

// y ← 2·x + y: small integers, so the result is exact.
let x: [Float] = [1, 10, 100]
var y: [Float] = [1, 2, 3]
try x.withUnsafeBufferPointer { x in
  try y.withUnsafeMutableBufferPointer { y in
    try BLAS.axpy(2, BLAS.Vector(x), into: BLAS.MutableVector(y))
  }
}
print("BLAS.axpy gave \(y)")
precondition(y == [3, 22, 203], "expected [3, 22, 203]")

#if NAME_A_C_SYMBOL
  // Must not compile: the C module is an implementation detail of the library.
  print(cblas_sdot(3, x, 1, y, 1))
#endif
