"""Artifacts that hypothesis damages: whatever is in the files, it is read or refused with an error of ours."""

import contextlib
import io
import json
import pickle
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from artifacts import edit, vouch, write_lenet
from fuzzing import FUZZ, changed, damaged
from petiole.deployed import read
from petiole.errors import PetioleError
from petiole.models.weights import read_state
from petiole.pruning.storage import load_sparse, save_sparse
from petiole.quantization import eager


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, lenet: nn.Module) -> Path:
    return write_lenet(tmp_path_factory.mktemp("made") / "LeNet", lenet)


@contextlib.contextmanager
def copy_of(made: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(made, Path(folder) / "LeNet"))


def use(directory: Path, *runtimes: str) -> None:
    """Read and open it; an error that is not ours goes through."""
    for runtime in runtimes:
        with contextlib.suppress(PetioleError):
            deployed = read(directory)
            deployed.doubts(deployed.open(runtime, threads=1))


@pytest.mark.parametrize("name", ["artifact.json", "model.onnx", "weights.safetensors"])
@given(data=st.data())
@settings(FUZZ, max_examples=60)
def test_changed_bytes_are_refused(made: Path, name: str, data: st.DataObject) -> None:
    original = (made / name).read_bytes()
    content = data.draw(damaged(original))
    with copy_of(made) as directory:
        (directory / name).write_bytes(content)
        if content == original or (name == "artifact.json" and _says_the_same(content, original)):
            read(directory)
        else:
            with pytest.raises(PetioleError, match=re.escape(str(directory))):
                read(directory)


def _says_the_same(content: bytes, original: bytes) -> bool:
    """Whether nothing but spaces between the words of JSON was changed."""
    try:
        return bool(json.loads(content) == json.loads(original))
    except (ValueError, RecursionError):
        return False


@pytest.mark.parametrize(
    ("name", "runtime"), [("model.onnx", "openvino"), ("model.onnx", "onnxruntime"), ("weights.safetensors", "torch")]
)
@given(data=st.data())
@settings(FUZZ, max_examples=60)
def test_changed_bytes_that_somebody_vouches_for(made: Path, name: str, runtime: str, data: st.DataObject) -> None:
    content = data.draw(damaged((made / name).read_bytes()))
    with copy_of(made) as directory:
        (directory / name).write_bytes(content)
        vouch(directory)
        use(directory, runtime)


@given(data=st.data())
@settings(FUZZ, max_examples=200)
def test_a_changed_card_that_is_sealed_again(made: Path, data: st.DataObject) -> None:
    card = json.loads((made / "artifact.json").read_text(encoding="utf-8"))
    card["plan"] = {"pruning": {"channels": [["conv1", [0, 2]]]}, "quantization": {"how": "static"}}
    card = data.draw(changed(card))
    with copy_of(made) as directory:
        edit(lambda old: old.update(card))(directory)
        use(directory, "torch", "onnxruntime")


LAYERS = ["conv1", "conv2", "fc1", "fc2", "fc3", "relu1", "", "conv1.weight", "fc9"]


@given(plan=st.lists(st.tuples(st.sampled_from(LAYERS), st.lists(st.integers(0, 20), max_size=8)), max_size=3))
@example(plan=[("conv1", [0, 1, 2, 3, 4, 5])])
@example(plan=[("conv1", [0, 0])])
@example(plan=[("conv1", [])])
@example(plan=[("conv1", [5]), ("conv1", [5])])
@settings(FUZZ, max_examples=100)
def test_a_plan_that_cuts_channels_at_will(made: Path, plan: list[tuple[str, list[int]]]) -> None:
    with copy_of(made) as directory:
        edit(lambda card: card.update(plan={"pruning": {"channels": plan}}))(directory)
        use(directory, "torch")


def _saved(value: object) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("code from a file was run",))


STATE = {"weight": torch.arange(6.0).view(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize(
    "content", [_saved(STATE), _saved({"a": _Code()}), pickle.dumps(_Code())], ids=["state", "code-zip", "code"]
)
@given(data=st.data())
@settings(FUZZ, max_examples=80)
def test_pickles_are_read_or_refused_and_never_run(content: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.pth"
        path.write_bytes(data.draw(st.just(content) | damaged(content)))
        for reader in (read_state, eager.load_state):
            with contextlib.suppress(PetioleError):
                reader(path)


@given(data=st.data())
@settings(FUZZ, max_examples=80)
def test_sparse_files_are_read_or_refused(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.sparse"
        save_sparse({"a": torch.eye(40), "b": torch.ones(3)}, path)
        path.write_bytes(data.draw(damaged(path.read_bytes())))
        with contextlib.suppress(PetioleError):
            load_sparse(path)
