/// Tensor lists of models that people train, in the order of their frameworks.
enum ModelTensors: String, CaseIterable {
  case resnet50
  case gpt2

  var tensors: [(name: String, shape: [Int])] {
    switch self {
    case .resnet50: Self.residualNetwork(blocks: [3, 4, 6, 3])
    case .gpt2: Self.transformer(layers: 12, width: 768)
    }
  }

  /// ResNet with bottleneck blocks for 1000 classes: every convolution is without bias and followed by a normalization.
  private static func residualNetwork(blocks: [Int]) -> [(name: String, shape: [Int])] {
    var tensors: [(name: String, shape: [Int])] = []
    func convolution(_ name: String, _ norm: String, from: Int, to: Int, size: Int) {
      tensors.append(("\(name).weight", [to, from, size, size]))
      tensors += [("\(norm).weight", [to]), ("\(norm).bias", [to])]
    }
    convolution("conv1", "bn1", from: 3, to: 64, size: 7)
    var channels = 64
    for (stage, count) in blocks.enumerated() {
      let inner = 64 << stage
      for block in 0..<count {
        let name = "layer\(stage + 1).\(block)"
        convolution("\(name).conv1", "\(name).bn1", from: channels, to: inner, size: 1)
        convolution("\(name).conv2", "\(name).bn2", from: inner, to: inner, size: 3)
        convolution("\(name).conv3", "\(name).bn3", from: inner, to: 4 * inner, size: 1)
        if block == 0 {
          convolution("\(name).downsample.0", "\(name).downsample.1", from: channels, to: 4 * inner, size: 1)
        }
        channels = 4 * inner
      }
    }
    return tensors + [("fc.weight", [1000, channels]), ("fc.bias", [1000])]
  }

  /// GPT-2; the output layer shares the weights of the token embedding.
  private static func transformer(layers: Int, width: Int) -> [(name: String, shape: [Int])] {
    var tensors = [(name: "wte.weight", shape: [50257, width]), ("wpe.weight", [1024, width])]
    func affine(_ name: String, _ shape: [Int]) {
      tensors += [("\(name).weight", shape), ("\(name).bias", [shape.last!])]
    }
    for layer in 0..<layers {
      affine("h.\(layer).ln_1", [width])
      affine("h.\(layer).attn.c_attn", [width, 3 * width])
      affine("h.\(layer).attn.c_proj", [width, width])
      affine("h.\(layer).ln_2", [width])
      affine("h.\(layer).mlp.c_fc", [width, 4 * width])
      affine("h.\(layer).mlp.c_proj", [4 * width, width])
    }
    affine("ln_f", [width])
    return tensors
  }
}
