"""Checkpoints that are damaged, or none at all: left aside with a warning, and nothing in them is executed."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from test_checkpoint import EPOCHS, Killed, Training, always, assert_same, train

__all__ = ["always"]


@pytest.mark.parametrize("damage", ["empty", "short", "truncated", "one bit", "another file"])
def test_a_damaged_checkpoint_is_left_aside_with_a_warning(damage: str, tmp_path: Path) -> None:
    weights, history, _ = train(Training(), None)
    with pytest.raises(Killed):
        train(Training(), tmp_path, killed_in=3)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    flipped = bytes([*content[: len(content) // 2], content[len(content) // 2] ^ 1, *content[len(content) // 2 + 1 :]])
    path.write_bytes({
        "empty": b"", "short": bytes(content[:10]), "truncated": bytes(content[: len(content) // 2]),
        "one bit": flipped, "another file": b"not a checkpoint" * 100,
    }[damage])  # fmt: skip
    said: list[str] = []
    again, its_history, epochs = train(Training(), tmp_path, said=said)
    assert epochs == EPOCHS
    assert said == [f"warning: {path} is damaged: small is trained from its start"]
    assert its_history == history
    assert_same(again, weights)


class Payload:
    """Makes a file when it is unpickled as objects of any class are."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    """With a seal that fits: whoever can write the file can make one."""
    with pytest.raises(Killed):
        train(Training(), tmp_path, killed_in=3)
    (path,) = tmp_path.iterdir()
    content = io.BytesIO()
    torch.save({"network": Payload(tmp_path / "executed")}, content)
    path.write_bytes(content.getvalue() + hashlib.sha256(content.getvalue()).digest())
    said: list[str] = []
    _, _, epochs = train(Training(), tmp_path, said=said)
    assert epochs == EPOCHS
    assert said == [f"warning: {path} is no checkpoint: small is trained from its start"]
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [[1, 2], {"network": {}}, {"other": 1}], ids=["a list", "a part", "another"])
def test_what_is_sealed_and_no_checkpoint_is_left_aside(content: object, tmp_path: Path) -> None:
    weights, _, _ = train(Training(), None)
    with pytest.raises(Killed):
        train(Training(), tmp_path, killed_in=3)
    (path,) = tmp_path.iterdir()
    saved = io.BytesIO()
    torch.save(content, saved)
    path.write_bytes(saved.getvalue() + hashlib.sha256(saved.getvalue()).digest())
    said: list[str] = []
    again, _, epochs = train(Training(), tmp_path, said=said)
    assert epochs == EPOCHS
    assert said == [f"warning: {path} is no checkpoint: small is trained from its start"]
    assert_same(again, weights)


@pytest.mark.parametrize(
    ("key", "value"),
    [("network", {}), ("optimizer", {}), ("random", torch.zeros(3)), ("generator", torch.zeros(3)), ("history", [1]),
     ("step", "x"), ("seconds", "x"), ("seconds", -1.0)],
)  # fmt: skip
def test_keys_with_something_else_behind_them_are_left_aside(key: str, value: object, tmp_path: Path) -> None:
    weights, _, _ = train(Training(), None)
    with pytest.raises(Killed):
        train(Training(), tmp_path, killed_in=3)
    (path,) = tmp_path.iterdir()
    state = torch.load(io.BytesIO(path.read_bytes()[:-32]), weights_only=True) | {key: value}
    saved = io.BytesIO()
    torch.save(state, saved)
    path.write_bytes(saved.getvalue() + hashlib.sha256(saved.getvalue()).digest())
    said: list[str] = []
    again, _, epochs = train(Training(), tmp_path, said=said)
    assert said == [f"warning: {path} is no checkpoint: small is trained from its start"]
    assert epochs == EPOCHS
    assert_same(again, weights)
