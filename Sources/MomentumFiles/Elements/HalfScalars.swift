// Apart from the reader, which knows nothing of the engine.
public import Momentum

extension BFloat16: SafetensorsScalar {
  public static var dtype: SafetensorsDtype { .bf16 }
}

#if !(os(macOS) && arch(x86_64))
  extension Float16: SafetensorsScalar {
    public static var dtype: SafetensorsDtype { .f16 }
  }
#endif
