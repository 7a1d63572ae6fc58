"""One rank of a peer: PyTorch or DeepSpeed over gloo, or NumPy over mpi4py. Started by compare_ranks.py under mpirun.

The step is that of `momentum-mpi bench`: each rank has a gradient, all take the mean, clip its global norm to half of
what it is, and step with momentum. Rank 0 prints one JSON object.
"""

import argparse
import contextlib
import ctypes
import hashlib
import json
import math
import os
import sys
import time

import numpy as np

LEARNING_RATE, MOMENTUM = 0.01, 0.9
MICRO_BATCHES, BITS_COUNT, BITS_STEPS = 8, 20_000, 2


def environment(names: list[str], default: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), default)


RANK = environment(["OMPI_COMM_WORLD_RANK", "PMI_RANK"], 0)
RANKS = environment(["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"], 1)


def units(count: int, rank: int) -> np.ndarray:
    """The gradient of a rank in units of 2^-16, so that sums of a few are exact."""
    index = np.arange(count, dtype=np.int64)
    return ((index * 40_503 + rank * 25_717 + (index >> 16) * 9973) & 0xFFFF) - 32_768


def exact_norm(count: int) -> float:
    """That of the mean gradient."""
    total = sum(units(count, rank) for rank in range(RANKS))
    squares = sum(int(np.dot(part, part)) for part in np.array_split(total, max(1, count // 100_000)))
    return math.sqrt(squares) / (65_536 * RANKS)


def noise(step: int, micro_batch: int) -> np.ndarray:
    generator = np.random.Generator(np.random.Philox(key=[step, micro_batch]))
    return generator.random(BITS_COUNT, dtype=np.float32) - np.float32(0.5)


def traffic() -> list[int] | None:
    try:
        return list((ctypes.c_uint64 * 4).in_dll(ctypes.CDLL(None), "momentum_mpi_traffic"))
    except ValueError:
        return None


class Torch:
    """The variants: DDP with its buckets, DDP with the state divided (ZeRO 1), all divided (FSDP2), and one all-reduce by
    hand."""

    def __init__(self, variant: str):
        import torch
        import torch.distributed

        self.torch, self.variant = torch, variant
        self.version = f"PyTorch {torch.__version__}"
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", rank=RANK, world_size=RANKS)

    def begin(self, count: int, limit: float, rate: float) -> None:
        torch, dist = self.torch, self.torch.distributed
        self.module = torch.nn.Module()
        self.module.weight = torch.nn.Parameter(torch.ones(count))
        self.module.forward = lambda factor: (self.module.weight * factor).sum()
        self.model = self.module
        if self.variant == "fsdp":
            from torch.distributed.device_mesh import init_device_mesh
            from torch.distributed.fsdp import fully_shard

            fully_shard(self.module, mesh=init_device_mesh("cpu", (RANKS,)))
        elif self.variant != "allreduce":
            self.model = torch.nn.parallel.DistributedDataParallel(self.module)
        if self.variant == "zero":
            from torch.distributed.optim import ZeroRedundancyOptimizer

            self.optimizer = ZeroRedundancyOptimizer(
                self.module.parameters(), torch.optim.SGD, lr=rate, momentum=MOMENTUM)
        else:
            self.optimizer = torch.optim.SGD(self.module.parameters(), lr=rate, momentum=MOMENTUM)
        self.limit = limit
        dist.barrier()

    def step(self, gradients: list[np.ndarray], total: int) -> float:
        """The gradients of this rank, of so many on all ranks."""
        torch, weight = self.torch, self.module.weight
        if self.variant == "allreduce":
            weight.grad = torch.from_numpy(gradients[0]).clone()
            for gradient in gradients[1:]:
                weight.grad += torch.from_numpy(gradient)
            torch.distributed.all_reduce(weight.grad)
            weight.grad /= total
        else:
            self.optimizer.zero_grad()
            # DDP and FSDP take the mean over the ranks, with the last gradient of each.
            factor = RANKS / total
            for index, gradient in enumerate(gradients):
                with self.meeting(index + 1 == len(gradients)):
                    (self.model(torch.from_numpy(gradient)) * factor).backward()
        norm = torch.nn.utils.clip_grad_norm_([self.module.weight], self.limit)
        self.optimizer.step()
        return float(self.whole(norm))

    @contextlib.contextmanager
    def meeting(self, meets: bool):
        """Whether the ranks add up their gradients in a backward pass."""
        if self.variant == "fsdp":
            self.model.set_requires_gradient_sync(meets)
            yield
        else:
            with contextlib.nullcontext() if meets else self.model.no_sync():
                yield

    def whole(self, tensor):
        """What FSDP has in parts."""
        return tensor.full_tensor() if self.variant == "fsdp" else tensor

    def parameters(self) -> np.ndarray:
        return self.whole(self.module.weight).detach().numpy()

    def slowest(self, seconds: float) -> float:
        value = self.torch.tensor([seconds], dtype=self.torch.float64)
        self.torch.distributed.all_reduce(value, op=self.torch.distributed.ReduceOp.MAX)
        return float(value)

    def barrier(self) -> None:
        self.torch.distributed.barrier()

    def end(self) -> None:
        self.torch.distributed.destroy_process_group()


class DeepSpeed(Torch):
    """The state divided (ZeRO 1); the engine of DeepSpeed accumulates, clips and steps."""

    def __init__(self, variant: str):
        os.environ.update(RANK=str(RANK), WORLD_SIZE=str(RANKS), LOCAL_RANK=str(RANK), DS_ACCELERATOR="cpu")
        # Compiles a part of itself at its first start, with the tools of this environment and into it; and tells much.
        os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
        os.environ.setdefault("TORCH_EXTENSIONS_DIR", os.path.join(sys.prefix, "torch_extensions"))
        with contextlib.redirect_stdout(sys.stderr):
            import deepspeed
            import torch

            torch.set_num_threads(1)
            deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
        self.torch, self.deepspeed, self.variant = torch, deepspeed, variant
        self.version = f"DeepSpeed {deepspeed.__version__}, PyTorch {torch.__version__}"

    def begin(self, count: int, limit: float, rate: float) -> None:
        self.limit, self.rate, self.count, self.engine = limit, rate, count, None

    def prepare(self, accumulated: int) -> None:
        """An engine has a fixed number of gradients a step and rank."""
        torch = self.torch
        self.module = torch.nn.Module()
        self.module.weight = torch.nn.Parameter(torch.ones(self.count))
        self.module.forward = lambda factor: (self.module.weight * factor).sum()
        with contextlib.redirect_stdout(sys.stderr):
            self.engine, *_ = self.deepspeed.initialize(
                model=self.module,
                optimizer=torch.optim.SGD(self.module.parameters(), lr=self.rate, momentum=MOMENTUM),
                config={
                    "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": accumulated,
                    "gradient_clipping": self.limit, "zero_optimization": {"stage": 1},
                    "zero_allow_untested_optimizer": True, "zero_force_ds_cpu_optimizer": False,
                })

    def step(self, gradients: list[np.ndarray], total: int) -> float:
        if self.engine is None:
            self.prepare(len(gradients))
        for gradient in gradients:
            self.engine.backward(self.engine(self.torch.from_numpy(gradient)))
            self.engine.step()
        return float(self.engine.get_global_grad_norm())


class NumPy:
    def __init__(self, variant: str):
        import mpi4py
        from mpi4py import MPI

        self.mpi = MPI
        self.version = f"mpi4py {mpi4py.__version__}, NumPy {np.__version__}"

    def begin(self, count: int, limit: float, rate: float) -> None:
        self.weight = np.ones(count, dtype=np.float32)
        self.velocity = np.zeros(count, dtype=np.float32)
        self.sum = np.empty(count, dtype=np.float32)
        self.limit, self.rate = limit, np.float32(rate)

    def step(self, gradients: list[np.ndarray], total: int) -> float:
        np.copyto(self.sum, gradients[0])
        for gradient in gradients[1:]:
            self.sum += gradient
        self.mpi.COMM_WORLD.Allreduce(self.mpi.IN_PLACE, self.sum)
        self.sum /= np.float32(total)
        norm = float(np.linalg.norm(self.sum))
        if norm > self.limit:
            self.sum *= np.float32(self.limit / norm)
        self.velocity *= np.float32(MOMENTUM)
        self.velocity += self.sum
        self.weight -= self.rate * self.velocity
        return norm

    def parameters(self) -> np.ndarray:
        return self.weight

    def slowest(self, seconds: float) -> float:
        return self.mpi.COMM_WORLD.allreduce(seconds, op=self.mpi.MAX)

    def barrier(self) -> None:
        self.mpi.COMM_WORLD.Barrier()

    def end(self) -> None:
        pass


def bits(peer) -> str:
    """A digest of the parameters after two steps of eight micro-batches, which the ranks share."""
    own = range(RANK * MICRO_BATCHES // RANKS, (RANK + 1) * MICRO_BATCHES // RANKS)
    peer.begin(BITS_COUNT, 1.0, 0.1)
    for step in range(BITS_STEPS):
        peer.step([noise(step, micro_batch) for micro_batch in own], MICRO_BATCHES)
    return hashlib.sha256(peer.parameters().tobytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=["ddp", "zero", "fsdp", "deepspeed", "allreduce", "mpi4py"], required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    options = parser.parse_args()
    peer = {"mpi4py": NumPy, "deepspeed": DeepSpeed}.get(options.variant, Torch)(options.variant)

    exact = exact_norm(options.count)
    gradient = units(options.count, RANK).astype(np.float32) / 65_536
    peer.begin(options.count, exact / 2, LEARNING_RATE)
    norm = peer.step([gradient], RANKS)
    mean = sum(units(options.count, rank) for rank in range(RANKS)) / (65_536 * RANKS)
    if not abs(norm / exact - 1) < 1e-3:
        raise SystemExit(f"{options.variant}: the norm is {norm}; expected {exact}")
    # The step that follows from the norm which the peer has found: that norm's own error is told beside the time.
    wrong = float(np.max(np.abs(peer.parameters() - (1 - LEARNING_RATE * mean * (exact / 2 / norm)))))
    if wrong > 2e-7:
        raise SystemExit(f"{options.variant}: a parameter is off by {wrong}")
    before = traffic()
    peer.step([gradient], RANKS)
    after = traffic()
    runs = max(1, (1 << 18) // options.count)
    best = math.inf
    for _ in range(options.repeats):
        peer.barrier()
        start = time.perf_counter()
        for _ in range(runs):
            peer.step([gradient], RANKS)
        best = min(best, peer.slowest(time.perf_counter() - start) / runs)
    result = {
        "version": peer.version, "seconds": best, "normError": abs(norm / exact - 1), "bits": bits(peer),
        # gloo talks past MPI.
        "traffic": [b - a for a, b in zip(before, after)] if before and after and options.variant == "mpi4py" else None,
    }
    if RANK == 0:
        print(json.dumps(result), flush=True)
    peer.end()


if __name__ == "__main__":
    main()
