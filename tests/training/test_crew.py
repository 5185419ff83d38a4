"""Two processes train one network together, as ``accelerate launch`` starts them, and end where one process ends."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = '''
"""Train a small network on numbered pictures; the first process writes what came out."""
import sys
from collections.abc import Iterator

import torch
from torch import nn

from petiole.training.crew import dismiss, help_along, is_helper, processes
from petiole.training.distillation import Distillation
from petiole.training.fit import FitConfig, fit


class Numbered:
    batch_images = 6
    seen: list[list[int]] = []

    def __len__(self) -> int:
        return 20

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(20, generator=generator)
        self.seen.append([])
        for chosen in order.split(6):
            self.seen[-1].extend(chosen.tolist())
            pictures = torch.sin(torch.arange(20 * 12.0).view(20, 3, 2, 2))[chosen]
            yield pictures, chosen % 2


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


if is_helper():
    help_along()
else:
    trained, batches = network(), Numbered()
    config = FitConfig(epochs=3, lr=0.05, optimizer="sgd", chunk_images=int(sys.argv[2]), weight_decay=0.0)
    first = fit(trained, batches, config)
    second = fit(trained, batches, config, objective=Distillation(teacher=network()))
    dismiss()
    torch.save({
        "state": trained.state_dict(), "seen": batches.seen, "processes": processes(),
        "losses": [epoch.loss for train in (first, second) for epoch in train.history],
        "right": [epoch.train_accuracy for epoch in first.history],
    }, sys.argv[1])
'''


@pytest.mark.parametrize("chunk_images", [0, 2])
def test_two_processes_end_where_one_ends(tmp_path: Path, chunk_images: int) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
              "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]  # fmt: skip
    ends = {}
    for name, start in (("one", []), ("two", launch)):
        target = tmp_path / f"{name}.pt"
        command = [sys.executable, *start, str(script), str(target), str(chunk_images)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr
        ends[name] = torch.load(target, weights_only=True)
    one, two = ends["one"], ends["two"]
    assert (one["processes"], two["processes"]) == (1, 2)
    assert two["seen"] == one["seen"]
    assert all(sorted(epoch) == list(range(20)) for epoch in two["seen"]), "every picture once in each epoch"
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-4, abs=1e-6)
    assert two["right"] == one["right"]
    for key, weights in one["state"].items():
        assert torch.allclose(two["state"][key], weights, atol=1e-5), key
