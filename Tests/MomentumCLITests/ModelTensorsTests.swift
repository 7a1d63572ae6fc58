import Momentum
import XCTest

@testable import MomentumCLI

/// The totals are those that PyTorch and Hugging Face report for these models.
final class ModelTensorsTests: XCTestCase {
  func testResNet50() throws {
    let layout = try BenchSize.model(.resnet50).layout()
    XCTAssertEqual(layout.tensors.count, 161)
    XCTAssertEqual(layout.count, 25_557_032)
    XCTAssertEqual(try layout.tensor(named: "layer4.2.conv2.weight").shape, [512, 512, 3, 3])
    XCTAssertEqual(try layout.tensor(named: "layer2.0.downsample.0.weight").shape, [512, 256, 1, 1])
  }

  func testGPT2Small() throws {
    let layout = try BenchSize.model(.gpt2).layout()
    XCTAssertEqual(layout.tensors.count, 148)
    XCTAssertEqual(layout.count, 124_439_808)
    XCTAssertEqual(try layout.tensor(named: "h.11.mlp.c_fc.bias").shape, [3072])
  }
}
