"""What each network of a run called each test picture, and how two of them differ on the same pictures."""

import hashlib
import json
from collections.abc import Sequence

import torch

from petiole.errors import GateError
from petiole.figure_records import Flip
from petiole.records import VersusParent
from petiole.rundir import RunDir
from petiole.stats import mcnemar_exact
from petiole.training.evaluate import Predictions
from petiole.writing import write_atomic

MOST_FLIPS = 200
"""Of more pictures that were lost, or gained, those with the surest mistakes are recorded."""

Called = dict[str, torch.Tensor]
"""``labels``, ``predicted`` (class numbers), ``probability`` of what was predicted, ``right`` (bool), each ``(N,)``."""


class PredictionFiles:
    """``predictions/`` of a run: one file for each network, of one seed here."""

    def __init__(self, rundir: RunDir, seed: int) -> None:
        self._rundir, self._seed = rundir, seed

    def store(self, name: str, engine: str, deployed: Predictions) -> tuple[str, str]:
        """Keep what a network predicted; gives the file's path within the run directory, and its SHA-256."""
        suffix = "" if engine == "torch" else f"-{engine}"
        path = f"predictions/{name}{suffix}-seed{self._seed}.json"
        content = {
            "labels": deployed.labels.tolist(),
            "predicted": deployed.predicted.tolist(),
            "probability": [round(float(p), 4) for p in deployed.probability],
        }
        text = json.dumps(content)
        write_atomic(self._rundir.path / path, text)
        return path, hashlib.sha256(text.encode()).hexdigest()

    def of(self, name: str | None, deployed: Predictions) -> Called | None:
        """What the float network ``name`` predicted for the pictures of ``deployed``; None without a name.

        Raises:
            GateError: it was judged on different pictures.
        """
        if name is None:
            return None
        path = self._rundir.path / "predictions" / f"{name}-seed{self._seed}.json"
        called = {key: torch.tensor(each) for key, each in json.loads(path.read_text(encoding="utf-8")).items()}
        if not torch.equal(called["labels"], deployed.labels):
            raise GateError(f"{name} was judged on different pictures than what is compared with it")
        return {**called, "right": called["predicted"] == called["labels"]}


def versus(before: Called | None, deployed: Predictions) -> VersusParent | None:
    """How many pictures only one of the two called rightly, with the exact McNemar test."""
    if before is None:
        return None
    lost = int((before["right"] & ~deployed.right).sum())
    gained = int((~before["right"] & deployed.right).sum())
    return VersusParent(lost=lost, gained=gained, mcnemar_p=mcnemar_exact(lost, gained))


def flips(before: Called | None, deployed: Predictions, classes: Sequence[str]) -> list[Flip]:
    """The pictures that only one of the two called rightly, those with the surest mistakes first."""
    if before is None:
        return []
    called = deployed.predicted
    found = [
        Flip(
            picture=at, truth=classes[int(deployed.labels[at])], before=classes[int(before["predicted"][at])],
            before_p=round(float(before["probability"][at]), 4), after=classes[int(called[at])],
            after_p=round(float(deployed.probability[at]), 4),
        )
        for at in (before["right"] != deployed.right).nonzero().flatten().tolist()
    ]  # fmt: skip
    found.sort(key=lambda flip: flip.before_p if flip.is_gain else flip.after_p, reverse=True)
    lost = [flip.picture for flip in found if not flip.is_gain][:MOST_FLIPS]
    gained = [flip.picture for flip in found if flip.is_gain][:MOST_FLIPS]
    return [flip for flip in found if flip.picture in {*lost, *gained}]
