"""The two demonstrations of handout section 3.4.2: what int8 does to two weights, and to a small LSTM."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from petiole.bench import latency
from petiole.quantization import eager
from petiole.stats import median_ratio_interval
from petiole.writing import write_atomic

STEPS = 20
DIMENSION = 8
DEPTH = 1
RAW_FILE = "latency/lstm.json"
ROUNDS = 20
"""In so many the LSTM in float and in int8 take turns."""


class _Linear(nn.Module):
    """A layer of two weights, inside a module because dynamic quantization replaces children only."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """``(N, 1)`` of ``(N, 2)``."""
        output: torch.Tensor = self.linear(inputs)
        return output


class _Lstm(nn.Module):
    """The network of PyTorch's dynamic quantization recipe."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(DIMENSION, DIMENSION, DEPTH)

    def forward(self, inputs: torch.Tensor, hidden: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """``(steps, N, 8)`` of ``(steps, N, 8)``."""
        output: torch.Tensor = self.lstm(inputs, hidden)[0]
        return output


@torch.no_grad()
def dtype_demo(seed: int = 123) -> dict[str, Any]:
    """The handout's figure: a layer of two weights and its output, in float and with int8 weights.

    The layer is drawn before the input. ``weight_int8`` is what the codes ``int_repr`` stand for:
    ``scale * (code - zero_point)``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Linear().eval()
        inputs = torch.randn(1, 2)
    quantized = eager.dynamic(network)
    weight = quantized.get_submodule("linear").weight()  # type: ignore[operator]  # a method in int8 layers
    return {
        "seed": seed,
        "input": inputs.tolist(),
        "output_fp32": network(inputs).item(),
        "output_int8": quantized(inputs).item(),
        "weight_fp32": network.linear.weight.tolist(),
        "weight_int8": weight.dequantize().tolist(),
        "scale": weight.q_scale(),
        "zero_point": weight.q_zero_point(),
        "int_repr": weight.int_repr().tolist(),
    }


@torch.no_grad()
def lstm_demo(seed: int = 29592, *, run_dir: Path | None = None) -> dict[str, Any]:
    """The LSTM of PyTorch's dynamic quantization recipe: bytes, latency in ms (1 sequence), outputs; ``speed_up`` is
    how many times as fast int8 is, with its 95% interval.

    As in the recipe, input and hidden state are drawn before the network. All calls go to ``latency/lstm.json`` below
    ``run_dir``, in ms.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = torch.randn(STEPS, 1, DIMENSION)
        hidden = (torch.randn(DEPTH, 1, DIMENSION), torch.randn(DEPTH, 1, DIMENSION))
        network = _Lstm().eval()
    quantized = eager.dynamic(network)
    output, output_int8 = network(inputs, hidden), quantized(inputs, hidden)
    raw_ms = latency.measure(
        {"float": lambda: network(inputs, hidden), "int8": lambda: quantized(inputs, hidden)}, rounds=ROUNDS
    )
    if run_dir is not None:
        write_atomic(
            run_dir / RAW_FILE, json.dumps({name: [round(ms, 5) for ms in row] for name, row in raw_ms.items()})
        )
    ratio, low, high = median_ratio_interval(raw_ms["float"], raw_ms["int8"], rounds=ROUNDS, seed=seed)
    threads = torch.get_num_threads()
    timed = {name: latency.summarize(row, runtime="torch", batch=1, threads=threads) for name, row in raw_ms.items()}
    with tempfile.TemporaryDirectory() as folder:
        float_bytes = eager.save_state(network, Path(folder) / "float.pth")
        int8_bytes = eager.save_state(quantized, Path(folder) / "int8.pth")
    return {
        "seed": seed,
        "float_bytes": float_bytes,
        "int8_bytes": int8_bytes,
        **{
            f"{name}_{key}": getattr(row, key)
            for name, row in timed.items()
            for key in ("p25_ms", "p50_ms", "p75_ms", "p90_ms")
        },
        "raw_file": RAW_FILE if run_dir is not None else None,
        "speed_up": ratio,
        "speed_up_low": low,
        "speed_up_high": high,
        "mean_abs_output": output.abs().mean().item(),
        "mean_abs_difference": (output - output_int8).abs().mean().item(),
        "shape": f"{DIMENSION}-{DIMENSION}-{DEPTH}, {STEPS} steps",
    }
