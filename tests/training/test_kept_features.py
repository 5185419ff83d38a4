"""Features that were kept are read as they were computed, or computed again; nothing is mixed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from petiole.training import checkpoint
from petiole.training.checkpoint import Checkpoint
from petiole.training.kept_features import kept

PARTS = [torch.full((2, 3), float(at)) for at in range(5)]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)


def where(folder: Path, said: list[str], basis: object = 0) -> Checkpoint:
    return Checkpoint(directory=folder, name="Net", basis=basis, say=said.append)


def computed(after: int, calls: list[int]) -> Iterator[torch.Tensor]:
    calls.append(after)
    yield from PARTS[after // 2 :]


def run(folder: Path, said: list[str], basis: object = 0) -> tuple[torch.Tensor, int]:
    """All features, and how many rows were there before."""
    calls: list[int] = []
    found = torch.cat(list(kept(lambda done: computed(done, calls), where(folder, said, basis))))
    return found, calls[0]


def test_what_was_kept_is_not_computed_again(tmp_path: Path) -> None:
    said: list[str] = []
    parts = kept(lambda done: computed(done, []), where(tmp_path, said))
    for _ in range(3):  # the third one is handed out, but not kept yet
        next(parts)
    del parts
    found, before = run(tmp_path, said)
    assert before == 4
    assert torch.equal(found, torch.cat(PARTS))
    assert said == ["Net: goes on after 4 views"]
    assert run(tmp_path, said)[1] == 10


def test_another_basis_starts_anew(tmp_path: Path) -> None:
    run(tmp_path, [])
    assert run(tmp_path, [], basis=1)[1] == 0


def test_a_damaged_part_is_told_and_computed_again_with_all_behind_it(tmp_path: Path) -> None:
    said: list[str] = []
    run(tmp_path, said)
    (second,) = tmp_path.glob("*-1.pt")
    second.write_bytes(second.read_bytes()[:-1])
    found, before = run(tmp_path, said)
    assert before == 2
    assert torch.equal(found, torch.cat(PARTS))
    assert said[0].startswith(f"warning: {second} is damaged")


def test_a_part_that_does_not_go_on_where_the_others_end_is_not_taken(tmp_path: Path) -> None:
    run(tmp_path, [])
    (second,), (third,) = tmp_path.glob("*-1.pt"), tmp_path.glob("*-2.pt")
    third.replace(second)
    found, before = run(tmp_path, [])
    assert before == 2
    assert torch.equal(found, torch.cat(PARTS))


def test_what_was_computed_at_once_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 10.0)
    assert torch.equal(run(tmp_path, [])[0], torch.cat(PARTS))
    assert list(tmp_path.iterdir()) == []
