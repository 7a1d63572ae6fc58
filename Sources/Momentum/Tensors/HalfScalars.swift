extension BFloat16: HalfScalar {
  @inlinable public static var elementType: ElementType { .bfloat16 }
}

#if !(os(macOS) && arch(x86_64))
  extension Float16: HalfScalar {
    @inlinable public static var elementType: ElementType { .float16 }
  }
#endif
