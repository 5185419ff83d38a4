"""A part of the photos that candidates are made from and judged on: a fold of the training photos, or all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from petiole.chain.bench import PhotoBench
from petiole.chain.config import ChainConfig
from petiole.chain.made_by import made_by
from petiole.data.folder import PhotoData
from petiole.models import backbones
from petiole.models.weights import Weights
from petiole.progress import Say
from petiole.rundir import RunDir
from petiole.search.recipe import Recipe
from petiole.variants import AssemblyLine


@dataclass(frozen=True, kw_only=True)
class Part:
    """``photos.train`` are learned from, ``photos.test`` judged on. Unless ``retrains``, only output layers learn, and
    what pruning leaves is refitted but not trained: a cheap first look. ``weights`` are those of each backbone."""

    rundir: RunDir
    photos: PhotoData
    weights: Mapping[str, Weights]
    config: ChainConfig
    retrains: bool
    threads: int
    seed: int
    say: Say
    progress: bool = False
    _benches: dict[tuple[str, int], PhotoBench] = field(default_factory=dict)
    _lines: list[AssemblyLine] = field(default_factory=list)

    def bench(self, recipe: Recipe) -> PhotoBench:
        """The table for a recipe's backbone and input size. The one before is cleared: its views would fill memory."""
        key = recipe.backbone, recipe.size_px
        if key not in self._benches:
            self._benches.clear()
            self._benches[key] = PhotoBench(
                config=self.config, line=self._line(), backbone=backbones.find(recipe.backbone).at(recipe.size_px),
                weights=self.weights[recipe.backbone], photos=self.photos, say=self.say, progress=self.progress,
            )  # fmt: skip
        return self._benches[key]

    def _line(self) -> AssemblyLine:
        if not self._lines:
            self._lines.append(AssemblyLine(self.rundir, threads=self.threads))
        return self._lines[0]

    @property
    def basis(self) -> object:
        """What everything that is made here depends on."""
        return {
            "photos": self.photos.digest,
            "sizes": (len(self.photos.train.labels), len(self.photos.test.labels)),
            "retrains": self.retrains,
            "seed": self.seed,
            "config": self.config.model_dump(mode="json"),
            "weights": {name: weights.digest for name, weights in self.weights.items()},
            "made_by": made_by(self.threads),
        }
