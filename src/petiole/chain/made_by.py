"""What decides what comes out beside photos, weights and choices: versions, threads, and the processor's kind."""

import os
from typing import Any

import petiole
from petiole.bench.machine import isa, library_versions
from petiole.deploy import artifact
from petiole.training.fit import has_bfloat16


def made_by(threads: int) -> dict[str, Any]:
    """Part of the basis of every step: a run that goes on with another version or machine makes all anew."""
    return {
        "petiole": petiole.__version__,
        "artifacts": artifact.VERSION,
        "versions": library_versions(),
        "threads": [threads, os.environ.get("OMP_NUM_THREADS", "")],
        "bfloat16": has_bfloat16(),
        "isa": isa(),
    }
