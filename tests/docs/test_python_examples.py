"""The examples of the Python reference that need nothing beside them run as they stand."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"


def test_channels_leave_as_the_page_shows() -> None:
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
                  if "ChannelPruner(" in block and "Course(" not in block]  # fmt: skip
    found: dict[str, Any] = {}
    exec(compile(example, str(PAGE), "exec"), found)
    left = sum(found["layer_macs"](found["network"], (3, 128, 128)).values()) / sum(found["costs"].values())
    assert 0.3 < left <= 0.5
    assert found["pruner"].plan


def test_what_is_pruned_is_retrained_and_quantized_as_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
                  if "Course(" in block]  # fmt: skip
    found: dict[str, Any] = {}
    exec(compile(example, str(PAGE), "exec"), found)
    assert len(found["pruner"].plan) > 1
    assert 0 < (tmp_path / "half-int8.onnx").stat().st_size < 4 * sum(p.numel() for p in found["unpruned"].parameters())
