"""Count what tiny runs leave on disk, and show where their time goes.

Timed: the participant level of the command on 50 participants with two runs of 5 x 5 x 5 voxels
and 40 volumes, two conditions and the default model, in processor seconds of one process: those
of interfaces that build designs, fit and estimate contrasts, write derivatives, and draw; the
rest is finding and planning runs, and nipype. Files and bytes are those of the output folder
without the cache of fits. Every job has a fresh process and an empty output folder.

Not timed: the start of the interpreter, imports, making the data.

`--before SOURCE` also measures the `src` folder of an earlier version; without it, the earlier
measurement of that version stays in the results, with its own date.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from boldglm.demo.dataset import DatasetPlan, write_dataset
from data import kept
from measure import Settings, argument_parser, run_side, settings, today, write_result

JOBS = {
    "default": (),
    "no report": ("--no-report",),
    "no report, for the group": ("--no-report", "--maps", "effect", "variance"),
}
BEFORE = "before"


def build_parser() -> argparse.ArgumentParser:
    """Return the command line of this benchmark."""
    parser = argument_parser(__doc__ or "", rounds=1)
    parser.add_argument("--participants", type=int, default=50, help="(default: 50)")
    parser.add_argument("--before", type=Path, metavar="SOURCE", help="src of an earlier version")
    return parser


def measure(
    how: Settings, dataset: Path, job: str, n_runs: int, source: str = ""
) -> dict[str, Any]:
    """Return files, bytes and the time of each part, per run."""
    samples = [
        run_side(
            "files_sides.py",
            "command",
            dataset=str(dataset),
            options=list(JOBS.get(job, ())),
            source=source,
        )
        for _ in range(how.rounds)
    ]
    best = min(samples, key=lambda sample: sample["seconds"])
    row = {
        "job": job,
        "date": today(),
        "n_runs": n_runs,
        "files_of_run": best["files_of_run"],
        "files_per_run": round(best["n_files"] / n_runs, 1),
        "kilobytes_per_run": round(best["bytes"] / n_runs / 1e3, 1),
        "milliseconds_per_run": round(best["seconds"] / n_runs * 1e3, 1),
        "shares": {part: round(took / best["seconds"], 3) for part, took in best["parts"].items()},
    }
    print(job, {key: value for key, value in row.items() if key != "job"}, flush=True)
    return row


def earlier(results: Path) -> list[dict[str, Any]]:
    """Return the stored measurement of the version before."""
    file = results / "files.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.is_file() else []
    return [row for row in rows if row["job"] == BEFORE]


def main(arguments: list[str]) -> None:
    """Measure, and write the result."""
    with settings(build_parser(), arguments) as how:
        plan = DatasetPlan(
            n_subjects=2 if how.tiny else how.options.participants,
            n_scans=40,
            shape=(5, 5, 5),
        )
        dataset = kept(how.cache / f"tiny-{plan.n_subjects}", lambda to: write_dataset(to, plan))
        n_runs = plan.n_subjects * plan.n_runs
        rows = earlier(how.results)
        if how.options.before is not None:
            source = str(how.options.before.resolve())
            rows = [measure(how, dataset, BEFORE, n_runs, source)]
        rows += [measure(how, dataset, job, n_runs) for job in JOBS]
        write_result(how, "files", {"rows": rows})


if __name__ == "__main__":
    main(sys.argv[1:])
