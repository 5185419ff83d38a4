"""The sparse file: every bit comes back, it is as small as promised, and damage is noticed and named."""

import json
import pickletools
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from petiole.errors import UserError
from petiole.models.lenet import LeNet
from petiole.pruning.storage import FORMAT, _digest, load_sparse, save_sparse

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int8, torch.bool]


def bits(tensor: torch.Tensor) -> list[int]:
    return list(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


def assert_same(loaded: dict[str, torch.Tensor], state: dict[str, torch.Tensor]) -> None:
    assert list(loaded) == list(state)
    for name, tensor in state.items():
        assert loaded[name].dtype == tensor.dtype, name
        assert loaded[name].shape == tensor.shape, name
        assert bits(loaded[name]) == bits(tensor), name


def layouts(path: Path) -> set[str]:
    with safe_open(path, framework="pt") as file:
        return set(file.keys())


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 30), max_size=3),
    amount=st.floats(0, 1),
    seed=st.integers(0, 100),
)
@settings(max_examples=80, deadline=None)
def test_any_tensor_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, dtype: torch.dtype, shape: list[int], amount: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(shape, generator=generator) >= amount
    tensor = torch.randn(shape, generator=generator).mul(50).to(dtype) * kept.to(dtype)
    path = tmp_path_factory.mktemp("sparse") / "net.safetensors"
    save_sparse({"w": tensor}, path)
    assert_same(load_sparse(path), {"w": tensor})


def test_special_values_are_kept_in_a_tensor_that_is_stored_sparse(tmp_path: Path) -> None:
    pattern = torch.tensor([-(2**31), 0x7FC12345, 0x7FA00001, 0x7F800000, 1, 0], dtype=torch.int32)
    special = torch.cat([pattern, torch.zeros(994, dtype=torch.int32)]).view(torch.float32).reshape(10, 100)
    assert torch.signbit(special[0, 0])
    assert special[0, 1].isnan()
    save_sparse({"w": special}, tmp_path / "net.safetensors")
    assert layouts(tmp_path / "net.safetensors") == {"values/w", "mask/w"}
    assert_same(load_sparse(tmp_path / "net.safetensors"), {"w": special})


def test_order_awkward_names_scalars_and_empty_tensors(tmp_path: Path) -> None:
    state = {
        "z.weight": torch.zeros(40, 40),
        "a": torch.tensor(7),
        "mask/z.weight": torch.ones(3, dtype=torch.uint8),
        "empty": torch.empty(0, 5),
        "ünï": torch.tensor([True, False]),
    }
    save_sparse(state, tmp_path / "net.safetensors")
    assert_same(load_sparse(tmp_path / "net.safetensors"), state)


def test_views_and_other_memory_layouts_are_stored_by_value(tmp_path: Path) -> None:
    weight = torch.randn(8, 4, 3, 3).to(memory_format=torch.channels_last)
    weight[:, 1] = 0
    state = {"conv": weight, "column": torch.arange(12.0).reshape(3, 4)[:, 1], "again": weight}
    save_sparse(state, tmp_path / "net.safetensors")
    assert_same(load_sparse(tmp_path / "net.safetensors"), state)


@pytest.mark.parametrize("amount", [0.1, 0.3, 0.5, 0.9])
def test_the_file_is_as_small_as_promised(tmp_path: Path, amount: float) -> None:
    torch.manual_seed(0)
    state = {name: value.clone() for name, value in LeNet().state_dict().items()}
    pruned = 0
    for tensor in state.values():
        zeros = round(amount * tensor.numel())
        tensor.view(-1)[torch.randperm(tensor.numel())[:zeros]] = 0
        pruned += zeros
    dense_path = tmp_path / "dense.safetensors"
    save_file(state, dense_path)
    dense_bytes = dense_path.stat().st_size
    size_bytes = save_sparse(state, tmp_path / "net.safetensors")
    assert size_bytes == (tmp_path / "net.safetensors").stat().st_size
    assert pruned / 61_706 == pytest.approx(amount, abs=1e-4)
    assert size_bytes <= (1 - amount) * dense_bytes + dense_bytes / 32 + 0.02 * dense_bytes
    assert size_bytes >= (1 - amount) * 61_706 * 4 + 61_706 / 8  # no less than the nonzeros and the masks
    assert_same(load_sparse(tmp_path / "net.safetensors"), state)


def test_size_by_hand(tmp_path: Path) -> None:
    weight = torch.zeros(1000, 8)
    weight[:, 0] = 1.0
    save_sparse({"w": weight}, tmp_path / "net.safetensors")
    with safe_open(tmp_path / "net.safetensors", framework="pt") as file:
        assert file.get_tensor("values/w").shape == (1000,)
        mask = file.get_tensor("mask/w")
        assert file.metadata()["format"] == FORMAT
        assert json.loads(file.metadata()["tensors"]) == {"w": [1000, 8]}
    assert mask.tolist() == [0b10000000] * 1000  # each byte is one row: the first element is the highest bit


def test_a_tensor_with_few_zeros_is_stored_dense(tmp_path: Path) -> None:
    weight = torch.ones(100, 100)
    weight[0] = 0  # 400 bytes of zeros, but the mask would take 1250
    save_sparse({"w": weight, "tiny": torch.zeros(4)}, tmp_path / "net.safetensors")
    assert layouts(tmp_path / "net.safetensors") == {"dense/w", "dense/tiny"}


def test_the_state_is_left_as_it_is_and_loaded_tensors_are_our_own(tmp_path: Path) -> None:
    weight = torch.zeros(100, 10, requires_grad=True)
    save_sparse({"w": weight, "b": torch.ones(3)}, tmp_path / "net.safetensors")
    loaded = load_sparse(tmp_path / "net.safetensors")
    loaded["w"][0, 0] = 1.0
    loaded["b"][0] = 5.0
    assert weight.requires_grad
    assert float(load_sparse(tmp_path / "net.safetensors")["b"][0]) == 1.0
    assert float(load_sparse(tmp_path / "net.safetensors")["w"].sum()) == 0.0


def stored(tmp_path: Path) -> Path:
    weight = torch.zeros(50, 40)
    weight[:, 3] = 2.0
    path = tmp_path / "net.safetensors"
    save_sparse({"w": weight, "b": torch.arange(5.0)}, path)
    return path


def assert_refused(path: Path, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load_sparse(path)
    assert str(path) in str(caught.value)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = stored(tmp_path)
    good = path.read_bytes()
    content = load_sparse(path)
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x11]) + good[place + 1 :])
        with pytest.raises(UserError, match=r"net\.safetensors"):
            load_sparse(path)
    path.write_bytes(good)
    assert_same(load_sparse(path), content)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_truncated_file(tmp_path: Path, kept: int) -> None:
    path = stored(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    assert_refused(path, "damaged or no safetensors file")


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    assert_refused(tmp_path / "missing.safetensors", "no file")
    assert_refused(tmp_path, "no file")


def test_foreign_files(tmp_path: Path) -> None:
    text, dense, newer = tmp_path / "a.txt", tmp_path / "dense.safetensors", tmp_path / "newer.safetensors"
    text.write_text("hello, this is no network")
    assert_refused(text, "no safetensors file")
    save_file({"w": torch.ones(2)}, dense)
    assert_refused(dense, "not a sparse file of Petiole")
    save_file({"w": torch.ones(2)}, newer, metadata={"format": FORMAT, "version": "2"})
    assert_refused(newer, "version '2'")


def test_parts_that_contradict_each_other(tmp_path: Path) -> None:
    parts = {"values/w": torch.ones(3), "mask/w": torch.tensor([0b11000000], dtype=torch.uint8)}
    for table in ['{"w": [8]}', '{"w": null}', '{"w": "wide"}', "[", "[]"]:
        metadata = {"format": FORMAT, "version": "1", "tensors": table, "sha256": _digest(table, parts)}
        save_file(parts, tmp_path / "net.safetensors", metadata=metadata)
        assert_refused(tmp_path / "net.safetensors", "does not fit together")


def test_nothing_is_pickled(tmp_path: Path) -> None:
    data = stored(tmp_path).read_bytes()
    assert data[8:9] == b"{"  # safetensors: eight bytes of length, then JSON
    with pytest.raises(ValueError, match=r"opcode|exhausted|STOP|pickle"):
        list(pickletools.genops(data))


def test_equal_networks_have_equal_files(tmp_path: Path) -> None:
    """safetensors has its metadata in a random order, which is another one in each of its tables."""
    state = {"weight": torch.arange(64.0) % 2 * torch.ones(64), "bias": torch.ones(3)}
    for at in range(12):
        save_sparse(state, tmp_path / str(at))
    assert len({(tmp_path / str(at)).read_bytes() for at in range(12)}) == 1
    assert torch.equal(load_sparse(tmp_path / "0")["weight"], state["weight"])
