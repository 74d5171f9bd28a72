"""Write docs/benchmarks.md from the result files. Every number on the page comes from a file."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from measure import HERE, RESULTS

PAGE = HERE.parent / "docs" / "benchmarks.md"
INTRODUCTION = """\
# Benchmarks

Speed and memory of boldglm beside nilearn, FitLins, pybids and the least that any program must
do. `make benchmarks` measures everything and writes this page. To write it again from the stored
results in `benchmarks/results`:

```sh
python benchmarks/report.py
```

Please do not edit the page by hand; a test compares it with the results.

How to read the tables:

- Every job runs in a fresh process, on as many cores as it has threads. The programs take turns,
  and the order is reversed every other round.
- **Seconds** are the median over rounds, with the smallest and largest in parentheses.
- **Ratio** is the time of the other program divided by that of boldglm: of the medians, and in
  parentheses in the worst case (the other's fastest round, boldglm's slowest).
- **To the floor** is the time of boldglm divided by that of the floor, a script that does only
  what cannot be avoided. In parentheses: boldglm's slowest round, the floor's fastest.
- **Goals** were set before the first measurement.
- The docstring of each script says what is timed and what is not.
"""
GOALS_OF_ARRAYS = {"nilearn-ar1": 15, "ar1": 10, "auto": 3, "ols": 3}
GOALS_OF_RUNS = {"ols": 10, "auto": 8, "ols, 5 mm": 5, "auto, 5 mm": 5}
GOALS_OF_OVERHEAD = {"ols": 1.5, "auto": 2}
GOAL_OF_COMMAND = 15
GOAL_OF_PERMUTATIONS = 15
GOAL_OF_SLICES = 1.3
VERSIONS = ("numpy", "scipy", "nilearn", "nipype", "pybids")
AXES = {
    "n_scans": "volumes",
    "n_voxels": "voxels",
    "n_regressors": "regressors",
    "n_contrasts": "contrasts",
}

Result = Mapping[str, Any]


def page(results: Path) -> str:
    """Return the page made from all result files in a folder."""
    parts = [INTRODUCTION]
    for name, section in SECTIONS.items():
        path = results / f"{name}.json"
        if path.is_file():
            parts.append(section(json.loads(path.read_text(encoding="utf-8"))))
    return "\n".join(parts)


def arrays(result: Result) -> str:
    """Return the section on arrays in memory."""
    header = [
        "volumes",
        "threads",
        "noise model",
        "seconds",
        "nilearn",
        "seconds",
        "ratio",
        "goal",
        "peak GB, boldglm / nilearn",
        "difference of t",
    ]
    rows = [
        [
            str(row["n_scans"]),
            str(row["threads"]),
            f"`{row['noise']}`",
            seconds(row["ours"]["seconds"]),
            f"`{row['rival']}`",
            seconds(row["nilearn"]["seconds"]),
            times(row["ratio"]),
            goal(GOALS_OF_ARRAYS.get(row["noise"])),
            f"{row['ours']['peak_gb']:.2f} / {row['nilearn']['peak_gb']:.2f}",
            f"{row['largest_t_difference']:.1g} at most"
            if row["same_model"]
            else f"{row['median_t_difference']:.1g} in the median",
        ]
        for row in result["rows"]
    ]
    first = result["rows"][0]
    title = (
        f"An array in memory: {first['n_voxels']:,} voxels, {first['n_regressors']} regressors, "
        "4 contrasts"
    )
    note = (
        "From the array to effect, variance, t, p and z of each contrast. The t values differ "
        "where the two programs have different noise models."
    )
    return section(title, result, note, table(header, rows))


def run(result: Result) -> str:
    """Return the section on one compressed run."""
    header = [
        "threads",
        "job",
        "seconds",
        "with imports",
        "nilearn",
        "with imports",
        "ratio",
        "with imports",
        "goal",
        "to the floor",
        "goal",
        "peak GB, boldglm / nilearn",
    ]
    rows = [_run_row(row) for row in result["rows"]]
    memory = table(
        ["volumes", "job", "seconds", "peak GB", "GB compressed", "GB uncompressed"],
        [
            [
                str(row["n_scans"]),
                row["job"],
                f"{row['seconds']:.1f}",
                f"{row['peak_gb']:.2f}",
                f"{row['file_gb']:.2f}",
                f"{row['series_gb']:.2f}",
            ]
            for row in result["memory"]
        ],
    )
    size = " x ".join(map(str, (*result["shape"], result["n_scans"])))
    air = "noise outside the head" if result["background"] else "zeros outside the head"
    note = (
        f"From an int16 .nii.gz file of {size}, with {air}, to 20 maps on disk. The floor reads, "
        "decompresses, masks, fits by one matrix product, and writes."
    )
    longer = (
        f"\nLonger runs with boldglm (one thread, one round):\n\n{memory}"
        if result["memory"]
        else ""
    )
    where = " with noise outside the head" if result["background"] else ""
    return section(
        f"One compressed run{where}: from its file to 4 contrasts x 5 maps",
        result,
        note,
        table(header, rows) + longer,
    )


def _run_row(row: Result) -> list[str]:
    if row["job"] == "floor":
        floor = row["floor"]
        times_of_floor = [seconds(floor["seconds"]), f"{floor['with_imports']:.2f}"]
        last = f"{floor['peak_gb']:.2f}"
        return [str(row["threads"]), "the floor", *times_of_floor, *[""] * 7, last]
    ours, theirs = row["ours"], row["nilearn"]
    return [
        str(row["threads"]),
        row["job"],
        seconds(ours["seconds"]),
        f"{ours['with_imports']:.2f}",
        seconds(theirs["seconds"]),
        f"{theirs['with_imports']:.2f}",
        times(row["ratio"]),
        times(row["ratio_with_imports"]),
        goal(GOALS_OF_RUNS.get(row["job"])),
        times(row["to_floor"]) if "to_floor" in row else "",
        goal(GOALS_OF_OVERHEAD.get(row["job"]), "at most"),
        f"{ours['peak_gb']:.2f} / {theirs['peak_gb']:.2f}",
    ]


def command(result: Result) -> str:
    """Return the section on the whole command."""
    theirs = {one["threads"]: one for one in result["fitlins"]}
    header = ["program", "cores", "seconds", "ratio", "goal"]
    header += ["largest process, GB", "maps", "files"]
    rows = []
    for row in result["rows"]:
        against = ["", ""]
        if row["threads"] in theirs:
            slow, fast = theirs[row["threads"]]["seconds"], row["seconds"]
            ratio = {
                "median": slow["median"] / fast["median"],
                "pessimistic": slow["min"] / fast["max"],
            }
            against = [times(ratio), goal(GOAL_OF_COMMAND)]
        name = f"boldglm, noise model {row['noise']}"
        rows.append([name, str(row["threads"]), seconds(row["seconds"]), *against, *_written(row)])
    note = (
        "`participant` and `group`, with the start of the interpreter, imports, checks, figures "
        "and reports. FitLins uses its AR(1)."
    )
    for threads, one in theirs.items():
        name = f"FitLins {one['version']}"
        rows.append([name, str(threads), seconds(one["seconds"]), "", "", *_written(one)])
        n = one["seconds"]["n"]
        cores = f"{threads} core{'s' if threads > 1 else ''}"
        rounds = f"{n} round{'s' if n > 1 else ''}"
        note += f"\n\nFitLins on {cores}, {rounds}: {setting(one)}."
    title = f"The whole command: {result['n_subjects']} subjects x {result['n_runs']} runs"
    return section(title, result, note, table(header, rows))


def _written(row: Result) -> list[str]:
    return [f"{row['peak_gb']:.2f}", str(row["maps"]), str(row["files"])]


def scaling(result: Result) -> str:
    """Return the section on how time grows."""
    rows = []
    for row in result["rows"]:
        base = row["base"]
        start = next(one for one in row["fits"]["n_voxels"] if one["n_voxels"] == base["n_voxels"])
        exponents = (row["exponents"][axis] for axis in AXES)
        rows.append(
            [
                f"`{row['noise']}`",
                f"{base['n_scans']} x {base['n_voxels']:,} x {base['n_regressors']}",
                f"{start['seconds']:.3f}",
                *(f"{one['exponent']:.2f} ± {one['error']:.2f}" for one in exponents),
            ]
        )
    header = ["noise model", "volumes x voxels x regressors", "seconds", *AXES.values()]
    note = (
        "The last four columns are exponents of a power law, with standard errors. At 1, twice "
        "the size takes twice the time. Below 1, memory access and fixed costs outweigh "
        "arithmetic. Contrasts are timed separately from the fit."
    )
    return section("How time grows", result, note, table(header, rows))


def query(result: Result) -> str:
    """Return the section on large datasets."""
    rows = [
        [
            row["job"],
            f"{row['n_runs']:,}",
            seconds(row["ours"]["seconds"]),
            seconds(row["pybids"]["seconds"]) if "pybids" in row else "",
            times(row["ratio"]) if "ratio" in row else "",
            f"{row['peak_gb']:.2f}",
        ]
        for row in result["rows"]
    ]
    header = ["job", "runs", "seconds", "pybids", "ratio", "peak GB"]
    note = (
        "Time to find the series, metadata and events of runs, and time of a command before its "
        "first fit. pybids indexes everything, as is its default. Imports are included for "
        "commands only."
    )
    return section("Large datasets", result, note, table(header, rows))


def group(result: Result) -> str:
    """Return the section on group tests."""
    rows = [
        [
            row["job"],
            seconds(row["ours"]["seconds"]),
            seconds(row["nilearn"]["seconds"]) if "nilearn" in row else "",
            times(row["ratio"]) if "ratio" in row else "",
            goal(GOAL_OF_PERMUTATIONS) if "quantiles" in row else "",
            f"{row['ours']['peak_gb']:.2f}",
        ]
        for row in result["rows"]
    ]
    header = ["job", "seconds", "nilearn", "ratio", "goal", "peak GB"]
    first, second = result["rows"][0]["quantiles"]
    note = (
        "From effects in memory to p values, one thread. As a check, the 95th percentile of the "
        f"largest t is {first:.2f} with boldglm and {second:.2f} with nilearn, whose random sign "
        "flips differ."
    )
    return section("Group tests", result, note, table(header, rows))


def participants(result: Result) -> str:
    """Return the section on the group level by number of participants."""
    nothing = {"seconds": None, "peak_gb": None}
    rows = []
    for row in result["rows"]:
        theirs = row.get("nilearn", nothing)
        memory = "" if theirs["peak_gb"] is None else f"{theirs['peak_gb']:.2f}"
        rows.append(
            [
                f"{row['n_inputs']:,}",
                seconds(row["ours"]["seconds"]),
                seconds(theirs["seconds"]) if theirs["seconds"] else "",
                times(row["ratio"]) if "ratio" in row else "",
                f"{row['ours']['peak_gb']:.2f}",
                memory,
                f"{theirs['peak_gb'] / row['ours']['peak_gb']:.1f}" if memory else "",
            ]
        )
    header = ["participants", "seconds", "nilearn", "ratio", "peak GB", "nilearn", "ratio"]
    largest = [
        [row["job"], seconds(row["ours"]["seconds"]), f"{row['ours']['peak_gb']:.2f}"]
        for row in result["largest"]
    ]
    note = (
        "From compressed maps of the participants to compressed group maps of one contrast by "
        f"least squares, {result['rows'][0]['n_voxels']:,} voxels, one thread. nilearn "
        f"(`SecondLevelModel`) is left out where it would need more than {result['most_gb']:g} "
        "GB. The last table has three contrasts; boldglm reads the maps of each anew. "
        + result["remark"]
    ).rstrip()
    body = table(header, rows) + "\n" + table(["job", "seconds", "peak GB"], largest)
    return section("Group level by number of participants", result, note, body)


def slices(result: Result) -> str:
    """Return the section on slices with designs of their own."""
    rows = [
        [
            f"`{row['noise']}`",
            seconds(row["reference"]["seconds"]),
            seconds(row["model"]["seconds"]),
            times(row["ratio"]),
            goal(GOAL_OF_SLICES, "at most"),
            f"{row['reference']['peak_gb']:.2f} / {row['model']['peak_gb']:.2f}",
        ]
        for row in result["rows"]
    ]
    header = [
        "noise model",
        "one design",
        "a design for each slice time",
        "ratio",
        "goal",
        "peak GB",
    ]
    shape = " x ".join(map(str, result["rows"][0]["shape"]))
    note = (
        "The participant level of the command, from a raw run to maps and report, with "
        "`--slice-times model` and without. The ratio is the time of the former divided by that "
        "of the latter, and in parentheses its slowest round by the other's fastest."
    )
    return section(f"Slices at their own times: {shape}", result, note, table(header, rows))


def files(result: Result) -> str:
    """Return the section on what tiny runs leave, and where their time goes."""
    parts = list(result["rows"][0]["shares"])
    rows = [
        [
            row["job"] if row["job"] != "before" else f"an earlier version ({row['date']})",
            str(row["files_of_run"]),
            f"{row['files_per_run']:g}",
            f"{row['kilobytes_per_run']:.0f}",
            f"{row['milliseconds_per_run']:.0f}",
            *(f"{100 * row['shares'][part]:.0f} %" for part in parts),
        ]
        for row in result["rows"]
    ]
    header = ["job", "files named by a run", "files of all / runs", "kB / run", "ms / run", *parts]
    note = (
        f"The participant level on {result['rows'][-1]['n_runs']} runs of 5 x 5 x 5 voxels and 40 "
        "volumes, two of each participant, with two conditions and the default model. Times are "
        "processor seconds of one process without imports; shares are those of building designs, "
        "fits and contrasts, writing, and drawing; the rest is finding and planning runs, and "
        "nipype. The cache of fits in the work folder is not counted."
    )
    return section("Files and time of tiny runs", result, note, table(header, rows))


SECTIONS: dict[str, Callable[[Result], str]] = {
    "arrays": arrays,
    "run": run,
    "run-background": run,
    "command": command,
    "scaling": scaling,
    "query": query,
    "group": group,
    "participants": participants,
    "slices": slices,
    "files": files,
}


def section(title: str, result: Result, note: str, body: str) -> str:
    """Return a section: title, command, date and machine, note, tables."""
    measured = f"Measured: {setting(result)}."
    return f"## {title}\n\n```sh\n{result['command']}\n```\n\n{note}\n\n{measured}\n\n{body}"


def setting(result: Result) -> str:
    """Return when and on what a result was measured."""
    on = result["machine"]
    parts = [
        result["date"],
        on["processor"],
        f"{on['cores']} core{'s' if on['cores'] > 1 else ''}",
        f"{on['memory_gb']} GB",
        f"{on['system']}, Python {on['python']}",
        *(f"{name} {on[name]}" for name in VERSIONS if name in on),
        *([on["blas"]] if "blas" in on else []),
    ]
    return ", ".join(parts)


def seconds(spread: Result) -> str:
    """Return a median with its range.

    Examples
    --------
    >>> seconds({"median": 0.5, "min": 0.25, "max": 12.0, "n": 3})
    '0.50 (0.25-12.0)'
    """
    middle, low, high = (_three_digits(spread[key]) for key in ("median", "min", "max"))
    return f"{middle} ({low}-{high})" if spread["n"] > 1 else middle


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def times(ratio: Result) -> str:
    """Return a ratio with its pessimistic bound.

    Examples
    --------
    >>> times({"median": 24.31, "pessimistic": 9.46})
    '24.3 (9.5)'
    """
    return f"{ratio['median']:.1f} ({ratio['pessimistic']:.1f})"


def goal(value: float | None, word: str = "at least") -> str:
    """Return a goal in words, or an empty string without one."""
    return "" if value is None else f"{word} {value:g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    Examples
    --------
    >>> print(table(["a", "b"], [["1", "2"]]), end="")
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [f"| {' | '.join(line)} |" for line in (header, *rows)]
    lines.insert(1, "|" + "---|" * len(header))
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description="Write docs/benchmarks.md from the results.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    options.page.write_text(page(options.results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
