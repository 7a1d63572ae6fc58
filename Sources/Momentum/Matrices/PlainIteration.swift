/// Orthogonalises one matrix by the steps of ``NewtonSchulz`` as they are written down, for matrices that are square or
/// nearly so, or that lie in one tile:
///
///     each step: R ← X Xᵀ;  Z ← b·R + c·R²;  X ← a·X + Z X
///
/// Half the tiles of the first two products are computed. So for square matrices this takes as many operations as
/// ``GramIteration``, and is off by half as much: nothing that is rounded in R outlasts a step. In one tile a product takes
/// about as long as what surrounds it.
///
/// Later steps add a to the diagonal of Z instead. There b·R and c·R² take away most of a, and less is rounded in the
/// difference than in those of large numbers X. In the first two, which let small singular values grow by the product of
/// their factors a, rounding sums on the diagonal would mix parts of the large ones into them.
struct PlainIteration<Scalar: BLASScalar> {
  private let memory: GramMemory<Scalar>
  private let crew: TaskCrew<Scalar>
  /// The steps that add a·X.
  private static var apart: Int { 2 }

  init(_ memory: GramMemory<Scalar>, _ crew: TaskCrew<Scalar>) { (self.memory, self.crew) = (memory, crew) }

  /// Takes the steps, and writes the result to where the matrix lies. The R of the first step has been computed.
  ///
  /// - Parameter rest: The factor that X lacks; see ``GramIteration``.
  func run(_ method: borrowing NewtonSchulz, _ rest: Double, _ packing: MatrixPacking<Scalar>) {
    let tiles = memory.tiles
    // W, Q and the next Q of the other iteration lie behind each other, with room for another X.
    var (x, next) = (tiles, TiledMatrix(base: memory.product.base, rows: tiles.rows, columns: tiles.columns))
    for index in 0..<method.steps.count {
      let step = method.step(index, rest)
      // The first R was computed while the matrix was packed.
      if index > 0 { GramProduct(tiles: x, gram: memory.gram).run(crew) }
      let addsApart = index < Self.apart
      crew.run(
        FactorTask(
          gram: memory.gram, factor: memory.factor, a: addsApart ? 0 : Scalar(step.a), b: Scalar(step.b),
          c: Scalar(step.c)),
        count: LowerTiles.count(x.tileRows))
      let isLast = index + 1 == method.steps.count
      let product = OutputTask(
        q: memory.factor, tiles: x, a: addsApart ? Scalar(step.a) : nil,
        target: isLast ? .matrix(packing) : .tiles(next))
      crew.run(product, count: product.count)
      swap(&x, &next)
    }
  }
}
