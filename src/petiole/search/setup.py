"""Before anything is tried: photos checked, backbones and their weights found, the training photos dealt out."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from petiole.bench.machine import available_threads, cpu_name, isa
from petiole.data.folder import PhotoData, open_photos
from petiole.data.sources import from_folder
from petiole.errors import UserError
from petiole.models import backbones
from petiole.models.weights import RANDOM, Weights, at_hand, choose_backbone, find_weights
from petiole.progress import Say
from petiole.rundir import RunDir, digest, require_apart
from petiole.search.config import SIZES, SearchConfig
from petiole.search.folds import FOLDS, folds, of_training
from petiole.search.ledger import Ledger, Space
from petiole.search.part import Part
from petiole.search.recipe import Recipe
from petiole.search_records import SEARCH, require_same_kind

FEW_PHOTOS = 150
"""With fewer training photos, what is trained in full is cross-validated: every one of them is held out once."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What all steps of a search share. ``first`` is the part for a cheap first look, ``second`` those where all of a
    network learns, ``final`` all training photos with the test split."""

    config: SearchConfig
    rundir: RunDir
    photos: PhotoData
    weights: Mapping[str, Weights]
    sizes: tuple[int, ...]
    threads: int
    first: Part
    second: tuple[Part, ...]
    final: Part
    say: Say

    def native(self, backbone: str) -> Recipe:
        """The float network of a backbone at its own input size."""
        size_px = backbones.find(backbone).preprocessing.size_px
        return Recipe(backbone=backbone, size_px=size_px, quantization="none")

    def space(self, *, first: bool) -> Space:
        """What recipes are tried. At the first look nothing is trained: mixed and quantization-aware int8 are tried
        later, instead of static int8 of the same network."""
        quantizations = list(self.config.quantizations)
        if first and "static" in quantizations:
            quantizations = [each for each in quantizations if each in {"none", "static"}]
        return {
            "backbone": sorted(self.weights),
            "size_px": sorted(self.sizes, reverse=True),
            "macs": sorted(self.config.macs, reverse=True),
            "amount": sorted(self.config.amounts),
            "quantization": quantizations,
        }

    @property
    def basis(self) -> object:
        """What all that is found depends on: photos, weights, options, versions (of each part), and the machine, since
        it is timed."""
        return {
            "first": self.first.basis,
            "second": [part.basis for part in self.second],
            "final": self.final.basis,
            "space": dict(self.space(first=False)),
            "objective": self.config.limits.objective,
            "machine": (cpu_name(), isa(), self.threads),
        }

    @property
    def study(self) -> str:
        """The URL of the database in which it is written down what was tried."""
        return self.config.study or f"sqlite:///{(self.rundir.path / 'study.db').resolve()}"

    def ledger(self, name: str) -> Ledger:
        """The study of that name: on this basis and on no other."""
        worker = self.rundir.load("worker", None, str) or uuid.uuid4().hex
        self.rundir.save("worker", None, worker)
        study, space = f"petiole-{name}-{digest(self.basis)}", self.space(first=name == "first")
        own = not self.config.study
        return Ledger(self.study, study, space, seed=self.config.seed, worker=worker, own=own)


@contextmanager
def set_up(config: SearchConfig, say: Say, *, progress: bool) -> Iterator[Search]:
    """Find and check everything; until the block ends no other process may search in this directory.

    Raises:
        UserError: wrong input; nothing has been trained then.
    """
    _require_apart(config)
    threads = available_threads()
    torch.set_num_threads(threads)
    weights, source = _weights(config), from_folder(config.data)
    rundir = RunDir(config.out)
    with rundir.held():
        require_same_kind(config.out, SEARCH)
        photos = open_photos(
            source.root, source=source.source, synthetic=source.synthetic, note=source.note, seed=config.seed,
            split_file=rundir.path / "split.json", progress=progress,
        )  # fmt: skip
        search = _search(config, rundir, photos, weights, threads, say, progress=progress)
        if config.study:
            search.ledger("first")  # a database that cannot be used is told before anything is trained
        yield search


def _search(
    config: SearchConfig, rundir: RunDir, photos: PhotoData, weights: Mapping[str, Weights], threads: int, say: Say, *,
    progress: bool,
) -> Search:  # fmt: skip
    record, dealt = photos.record, _dealt(config, photos)
    sizes = _sizes(config, weights, len(record.classes), say)
    parts = [of_training(photos, learned, held_out) for learned, held_out in dealt]
    counts = [(part.record.train, part.record.test) for part in parts]
    say(
        f"photos: {record.train} to train, {record.test} to test, {len(record.skipped)} skipped; the search learns "
        f"from {counts[0][0]} of the training photos and is judged on {counts[0][1]} others"
        + (f", {len(parts)} times until all have been held out" if len(parts) > 1 else "")
    )
    say(f"backbones: {', '.join(f'{name} ({each.source})' for name, each in weights.items())}")

    def part(name: str, data: PhotoData, *, retrains: bool) -> Part:
        return Part(
            rundir=RunDir(rundir.path / name), photos=data, weights=weights, threads=threads, seed=config.seed,
            config=config.chain if name else config.final, retrains=retrains, say=say, progress=progress,
        )  # fmt: skip

    return Search(
        config=config, rundir=rundir, photos=photos, weights=weights, sizes=sizes, threads=threads, say=say,
        first=part("search/first", parts[0], retrains=False),
        second=tuple(part(f"search/fold-{at}", each, retrains=True) for at, each in enumerate(parts)),
        final=part("", photos, retrains=True),
    )  # fmt: skip


def _require_apart(config: SearchConfig) -> None:
    require_apart(config.data, config.out)
    if config.recipe is not None and (config.out / "state" / "explored.json").is_file():
        raise UserError(f"{config.out} holds a search, which --recipe would overwrite: choose another --out")


def _weights(config: SearchConfig) -> dict[str, Weights]:
    """Of the backbones that are named; else of those whose weights are at hand, nothing being downloaded for it."""
    if config.weights is not None and len(config.backbones) > 1:
        raise UserError("--weights is of one network, and several --backbone are named: name one")
    if config.backbones:
        return {name: find_weights(name, weights=config.weights, offline=config.offline) for name in config.backbones}
    if config.weights is not None and config.weights != RANDOM:
        name, _ = choose_backbone(weights=config.weights, offline=True)
        return {name: find_weights(name, weights=config.weights, offline=True)}
    return {name: find_weights(name, weights=config.weights, offline=True) for name in at_hand()}


def _sizes(config: SearchConfig, weights: Mapping[str, Weights], classes: int, say: Say) -> tuple[int, ...]:
    """The input sizes that all backbones can be trained at.

    Raises:
        UserError: a backbone cannot be trained, or at none of the sizes that were asked for.
    """
    found = [backbones.find(name) for name in weights]
    for backbone in found:
        backbones.require_trainable(backbone, classes=classes)
    natives = [backbone.preprocessing.size_px for backbone in found]
    wanted = config.sizes or {round(size_px * share / 32) * 32 for size_px in natives for share in SIZES}
    possible = []
    for size_px in sorted(set(wanted)):
        cannot = [each.name for each in found if not backbones.takes(each.at(size_px), classes=classes)]
        if cannot:
            say(f"{', '.join(cannot)} cannot take in pictures of {size_px} pixels: that size is not tried")
        else:
            possible.append(size_px)
    if not possible:
        raise UserError(f"none of the sizes {sorted(wanted)} fits {', '.join(weights)}: give another --size")
    return tuple(possible)


def _dealt(config: SearchConfig, photos: PhotoData) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Which training photos are learned from, and which are held out: once, or where they are few in turn.

    Raises:
        UserError: too few to hold any out.
    """
    labels = photos.train.labels
    dealt = folds(labels, photos.train.sha256, seed=config.seed)
    if any(len(each) == 0 for pair in dealt for each in pair):
        raise UserError(
            f"{len(labels)} training photos are too few to hold some of them out: give {FOLDS} or more different ones"
        )
    if len(labels) < FEW_PHOTOS:
        return dealt
    least = min(1.0, config.most_photos / len(labels))
    return [(_some(dealt[0][0], labels, least, config.seed), _some(dealt[0][1], labels, least, config.seed))]


def _some(indices: torch.Tensor, labels: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """A seeded choice of about that share, in which each class keeps its own, and at least one photo."""
    if share == 1:
        return indices
    generator, chosen = torch.Generator().manual_seed(seed), []
    for label in labels[indices].unique().tolist():
        those = indices[labels[indices] == label]
        wanted = max(1, round(len(those) * share))
        chosen.append(those[torch.randperm(len(those), generator=generator)[:wanted]])
    return torch.cat(chosen).sort().values
