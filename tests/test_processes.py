"""Which of several processes this one is, by what the launcher says."""

import pytest

from petiole.processes import cores, is_helper, own_cores, processes, rank


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (1, 0, False)),
        ({"WORLD_SIZE": "2"}, (1, 0, False)),  # of something else than a launcher
        ({"WORLD_SIZE": "1", "RANK": "0"}, (1, 0, False)),
        ({"WORLD_SIZE": "4", "RANK": "0"}, (4, 0, False)),
        ({"WORLD_SIZE": "4", "RANK": "3"}, (4, 3, True)),
    ],
)
def test_the_launcher_says_which_one_it_is(
    environment: dict[str, str], expected: tuple[int, int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (processes(), rank(), is_helper()) == expected


def test_cores_are_dealt_out_and_each_has_one_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() >= 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    assert [own_cores(count) for count in (8, 3, 2)] == [2, 1, 1]
