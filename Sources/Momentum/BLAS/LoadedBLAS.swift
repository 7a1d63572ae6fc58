internal import CMomentumLoadedBLAS

/// Where the loaded BLAS lies, and what it calls itself.
enum LoadedBLAS {
  /// The library's description of itself, which only OpenBLAS has.
  static var config: String? { text(momentum_openblas_config()) }

  /// What to call the library: by its description, or by its file.
  static var name: String { config ?? file(of: "cblas_sdot") ?? "a BLAS that does not describe itself" }

  /// The file that serves a routine, without symbolic links.
  static func file(of routine: String) -> String? {
    text(momentum_file_of(routine)).map { Platform.resolved(path: $0) }
  }

  /// A text of the C functions.
  static func text(_ text: UnsafePointer<CChar>?) -> String? { text.map { String(cString: $0) } }
}
