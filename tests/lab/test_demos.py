import json
import warnings
from pathlib import Path
from statistics import median

import pytest
import torch

from petiole.lab.demos import dtype_demo, lstm_demo


def test_the_handouts_figure_digit_by_digit() -> None:
    demo = dtype_demo()
    assert demo["seed"] == 123
    assert [f"{value:.4f}" for value in demo["input"][0]] == ["-2.3166", "-0.1232"]
    assert f"{demo['output_fp32']:.4f}" == "0.3139"
    assert f"{demo['output_int8']:.4f}" == "0.3113"
    assert [f"{value:.4f}" for value in demo["weight_fp32"][0]] == ["-0.2883", "0.0234"]
    assert [f"{value:.4f}" for value in demo["weight_int8"][0]] == ["-0.2872", "0.0226"]
    assert demo["scale"] == 0.002261500107124448
    assert demo["zero_point"] == 0
    assert demo["int_repr"] == [[-127, 10]]


@pytest.mark.parametrize("seed", [0, 7])
def test_the_weights_of_any_seed_are_scale_times_code(seed: int) -> None:
    demo = dtype_demo(seed)
    (weights,), (rounded,), (codes,) = demo["weight_fp32"], demo["weight_int8"], demo["int_repr"]
    largest = max(map(abs, weights))
    assert demo["scale"] == pytest.approx(largest / 127.5, rel=1e-5)  # symmetric: [-128, 127] covers both signs
    for weight, value, code in zip(weights, rounded, codes, strict=True):
        assert value == pytest.approx(demo["scale"] * code, rel=1e-6)
        exact = min(max(weight / demo["scale"], -128), 127)
        assert abs(code - exact) <= 0.5 + 1e-3
    assert dtype_demo(123)["weight_fp32"][0] != weights


def test_the_demos_leave_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    dtype_demo()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_lstm_gives_the_recipes_numbers(tmp_path: Path) -> None:
    demo = lstm_demo(run_dir=tmp_path)
    raw_ms = json.loads((tmp_path / demo["raw_file"]).read_text(encoding="utf-8"))
    for kind in ("float", "int8"):
        assert median(raw_ms[kind]) == pytest.approx(demo[f"{kind}_p50_ms"], abs=1e-5)
    assert set(demo) == {
        "seed", "float_bytes", "int8_bytes", "mean_abs_output",
        *(f"{kind}_{key}" for kind in ("float", "int8") for key in ("p25_ms", "p50_ms", "p75_ms", "p90_ms")),
        "mean_abs_difference", "shape", "raw_file", "speed_up", "speed_up_low", "speed_up_high",
    }  # fmt: skip
    assert demo["seed"] == 29592
    assert demo["shape"] == "8-8-1, 20 steps"
    # PyTorch's recipe prints: mean absolute value 0.12887 in FP32, mean absolute difference 0.00156
    assert f"{demo['mean_abs_output']:.5f}" == "0.12887"
    assert demo["mean_abs_difference"] == pytest.approx(0.00156, abs=5e-5)
    # 512 weights of 4 bytes become 1 byte each; the rest of the files is bookkeeping
    assert 512 * 4 < demo["float_bytes"] < 8192
    assert demo["int8_bytes"] < demo["float_bytes"]
    assert demo["speed_up"] == pytest.approx(demo["float_p50_ms"] / demo["int8_p50_ms"])
    assert demo["speed_up_low"] <= demo["speed_up"] <= demo["speed_up_high"]
    assert demo["float_p50_ms"] > 0
    assert demo["int8_p50_ms"] > 0


def test_the_warnings_filter_is_as_before() -> None:
    filters = list(warnings.filters)
    dtype_demo()
    assert warnings.filters == filters
