"""Where the lab's time goes: seconds, share and images per second of each stage, read from a run's own records.

    python benchmarks/lab_time.py RUN            a finished run
    python benchmarks/lab_time.py RUN --run ...  run ``petiole lab --out RUN ...`` first

The stages are timed by the run itself and lie in ``results.json`` under ``run.stages``; what is left is set-up, timing
and the report.
"""

import subprocess
import sys
from pathlib import Path

from petiole import units
from petiole.records import read_results


def table(run: Path) -> str:
    """One line for each stage, then the rest and the sum."""
    results = read_results(run)
    seconds = results.run.seconds
    lines = [f"{'stage':<14}{'seed':>5}{'seconds':>9}{'share':>8}{'images/s':>10}"]
    for stage in results.run.stages:
        share = units.percent(stage.seconds / seconds)
        lines.append(f"{stage.name:<14}{stage.seed:>5}{stage.seconds:>9.1f}{share:>8}{stage.images_per_s:>10.0f}")
    rest = seconds - sum(stage.seconds for stage in results.run.stages)
    lines.append(f"{'the rest':<19}{rest:>9.1f}{units.percent(rest / seconds):>8}")
    lines.append(f"{'all':<19}{seconds:>9.1f}   peak memory {units.bytes(results.run.peak_memory_bytes)}")
    return "\n".join(lines)


def main() -> None:
    """Print the table of the run named first."""
    run = Path(sys.argv[1])
    if "--run" in sys.argv:
        options = sys.argv[sys.argv.index("--run") + 1 :]
        subprocess.run([sys.executable, "-m", "petiole", "lab", "--out", str(run), *options], check=True)
    print(table(run))


if __name__ == "__main__":
    main()
