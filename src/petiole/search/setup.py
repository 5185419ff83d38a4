"""Before anything is tried: photos checked, backbones and their weights found, the training photos dealt out."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from petiole.bench.machine import available_threads, cpu_name
from petiole.data.folder import PhotoData, open_photos
from petiole.data.sources import from_folder
from petiole.errors import UserError
from petiole.models import backbones
from petiole.models.weights import RANDOM, Weights, choose_backbone, find_weights
from petiole.progress import Say
from petiole.rundir import RunDir, digest
from petiole.search.config import SIZES, SearchConfig
from petiole.search.folds import folds, of_training
from petiole.search.ledger import Ledger, Space
from petiole.search.part import Part
from petiole.search.recipe import Recipe

AT_HAND = ("resnet18", "efficientnet_lite0")
"""Backbones that are tried, where none is named and their weights are on this machine."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What all steps of a search share. ``first`` is the part for a cheap first look, ``second`` that where all of a
    network learns, ``final`` all training photos with the test split."""

    config: SearchConfig
    rundir: RunDir
    photos: PhotoData
    weights: Mapping[str, Weights]
    threads: int
    first: Part
    second: Part
    final: Part
    say: Say

    def native(self, backbone: str) -> Recipe:
        """The float network of a backbone at its own input size."""
        size_px = backbones.find(backbone).preprocessing.size_px
        return Recipe(backbone=backbone, size_px=size_px, quantization="none")

    def space(self) -> Space:
        """What recipes are tried."""
        natives = [self.native(name).size_px for name in self.weights]
        sizes = self.config.sizes or {round(size_px * share / 32) * 32 for size_px in natives for share in SIZES}
        return {
            "backbone": sorted(self.weights),
            "size_px": sorted(set(sizes), reverse=True),
            "macs": sorted(self.config.macs, reverse=True),
            "amount": sorted(self.config.amounts),
            "quantization": list(self.config.quantizations),
        }

    def ledger(self, name: str) -> Ledger:
        """The study of that name: of these photos, weights and options, and of no others."""
        url = self.config.study or f"sqlite:///{(self.rundir.path / 'study.db').resolve()}"
        basis = [self.first.basis, self.second.basis, self.config.limits.objective, dict(self.space())]
        worker = digest([cpu_name(), str(self.rundir.path.resolve())])
        return Ledger(url, f"petiole-{name}-{digest(basis)}", self.space(), seed=self.config.seed, worker=worker)


def set_up(config: SearchConfig, say: Say, *, progress: bool) -> Search:
    """Find and check everything.

    Raises:
        UserError: wrong input; nothing has been trained then.
    """
    threads, rundir = available_threads(), RunDir(config.out)
    torch.set_num_threads(threads)
    weights = _weights(config)
    source = from_folder(config.data)
    photos = open_photos(
        source.root, source=source.source, synthetic=source.synthetic, note=source.note, seed=config.seed,
        split_file=rundir.path / "split.json", progress=progress,
    )  # fmt: skip
    record = photos.record
    for name in weights:
        backbones.require_trainable(backbones.find(name), classes=len(record.classes))
    learned, held_out = _dealt(config, photos)
    fold = of_training(photos, learned, held_out)
    say(
        f"photos: {record.train} to train, {record.test} to test, {len(record.skipped)} skipped; the search learns "
        f"from {len(learned)} of the training photos and is judged on {len(held_out)} others"
    )
    say(f"backbones: {', '.join(f'{name} ({each.source})' for name, each in weights.items())}")

    def part(name: str, data: PhotoData, *, retrains: bool) -> Part:
        return Part(
            rundir=rundir if name == "" else RunDir(rundir.path / "search" / name), photos=data, weights=weights,
            config=config.chain if name else config.final, retrains=retrains, threads=threads, seed=config.seed,
            say=say, progress=progress,
        )  # fmt: skip

    return Search(
        config=config, rundir=rundir, photos=photos, weights=weights, threads=threads, say=say,
        first=part("first", fold, retrains=False), second=part("second", fold, retrains=True),
        final=part("", photos, retrains=True),
    )  # fmt: skip


def _weights(config: SearchConfig) -> dict[str, Weights]:
    """Of the backbones that are named; else of those whose weights are at hand, nothing being downloaded for it."""
    if config.weights is not None and len(config.backbones) > 1:
        raise UserError("--weights is of one network, and several --backbone are named: name one")
    if config.backbones:
        return {name: find_weights(name, weights=config.weights, offline=config.offline) for name in config.backbones}
    if config.weights is not None and config.weights != RANDOM:
        name, _ = choose_backbone(weights=config.weights, offline=True)
        return {name: find_weights(name, weights=config.weights, offline=True)}
    found = {}
    for name in AT_HAND:
        try:
            found[name] = find_weights(name, weights=config.weights, offline=True)
        except UserError:
            continue  # they are not here: this backbone was not asked for
    return found


def _dealt(config: SearchConfig, photos: PhotoData) -> tuple[torch.Tensor, torch.Tensor]:
    """The training photos that the search learns from, and those that it is judged on."""
    labels = photos.train.labels
    learned, held_out = folds(labels, seed=config.seed)[0]
    if len(labels) > config.most_photos:
        kept = len(labels) / config.most_photos
        learned, held_out = (_some(each, labels, round(len(each) / kept), config.seed) for each in (learned, held_out))
    return learned, held_out


def _some(indices: torch.Tensor, labels: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """A seeded choice of about ``count``, in which each class keeps its share, and at least one photo."""
    generator, chosen = torch.Generator().manual_seed(seed), []
    for label in labels[indices].unique().tolist():
        those = indices[labels[indices] == label]
        wanted = max(1, round(len(those) * count / len(indices)))
        chosen.append(those[torch.randperm(len(those), generator=generator)[:wanted]])
    return torch.cat(chosen).sort().values
