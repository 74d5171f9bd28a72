"""The numbers that tell good runs from bad ones: in sidecars, and in one table of all runs.

`quality.tsv` in the output folder has a row for each run, so that runs can be sorted by motion,
by what is censored, or by noise. It is made of the sidecars of finished runs, by every call.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import load_json, write_json
from boldglm.io.outputs.names import QUALITY, REGION_ENTITIES, sidecar
from boldglm.io.outputs.records import KEY, record_files

QUALITY_KEY = "Quality"  # in the sidecar of a run
MOST_TRIES = 5  # of writing the table while other jobs finish
LARGE_MM = 0.5  # framewise displacement of volumes that are counted


@dataclass(frozen=True)
class QualityColumn:
    """A column of the table of runs: its key in sidecars, unit and description."""

    key: str
    description: str
    unit: str = ""


COLUMNS = {
    "volumes": QualityColumn("NumberOfVolumes", "Volumes of the run"),
    "censored": QualityColumn("NumberOfCensoredVolumes", "Censored volumes"),
    "mean_fd": QualityColumn(
        "MeanFramewiseDisplacement", "Mean framewise displacement (Power et al. 2012)", "mm"
    ),
    "largest_fd": QualityColumn(
        "LargestFramewiseDisplacement", "Largest framewise displacement", "mm"
    ),
    "share_fd_above_half_mm": QualityColumn(
        "ShareOfLargeDisplacement", f"Share of volumes with more than {LARGE_MM:g} mm"
    ),
    "median_tsnr": QualityColumn(
        "MedianTSNR",
        "Temporal signal-to-noise ratio: mean over time by the standard deviation of the "
        "residuals; median of a sample of voxels",
    ),
    "residual_dof": QualityColumn(
        "ResidualDegreesOfFreedom", "Volumes minus the rank of the design"
    ),
    "share_not_white": QualityColumn(
        "ShareNotWhite",
        "Share of voxels whose residuals are autocorrelated after prewhitening at p < .01; .01 "
        "is expected",
    ),
    "motion_correlation": QualityColumn(
        "MotionCorrelation",
        "Strongest correlation of head motion with the regressor of a condition, without drift",
    ),
    "motion_correlation_of": QualityColumn(
        "MotionCorrelationOf", "Regressor and time course of motion that it is of"
    ),
    "warnings": QualityColumn("NumberOfWarnings", "Warnings about the run"),
}


@dataclass(frozen=True)
class RunNumbers:
    """The numbers of one run.

    Parameters
    ----------
    entities : mapping
        BIDS entities of the run.
    node, model : str
        Names of its node and model.
    numbers : mapping
        Values by the keys of `COLUMNS`; None where something is not known.
    """

    entities: Mapping[str, str]
    node: str
    model: str
    numbers: Mapping[str, Any]


def numbers_of_runs(output_dir: Path, digests: Collection[str]) -> list[RunNumbers]:
    """Read the numbers of all finished runs from their sidecars.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    digests : collection of str
        Digests of the nodes of the present analyses, from
        `boldglm.analysis.plan.models_of_results.current_digests`. Other results are left out.

    Returns
    -------
    list of RunNumbers
        In the order of the paths. Damaged sidecars, and results without numbers, are left out.
    """
    found = []
    for path in record_files(output_dir):
        try:
            content = load_json(path)
            record, numbers = content[KEY], content[QUALITY_KEY]
            if record["Level"] == "run" and record["Analysis"]["Digest"] in digests:
                entities = {str(key): str(label) for key, label in record["Entities"].items()}
                of_run = {column.key: numbers.get(column.key) for column in COLUMNS.values()}
                names = str(record["Node"]), str(record["Model"])
                found.append(RunNumbers(entities, *names, of_run))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # its result counts as not finished
    return found


def write_quality_table(output_dir: Path, digests: Collection[str]) -> Path | None:
    """Write the table of all finished runs, with the sidecar that describes its columns.

    Jobs may do this at the same time. Each writes the table until nothing has changed meanwhile,
    so the last one to write misses no run that is finished.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    digests : collection of str
        As for `numbers_of_runs`.

    Returns
    -------
    Path or None
        The table; None, and an earlier table removed, if there are no runs.
    """
    path = output_dir / QUALITY
    content = _table(numbers_of_runs(output_dir, digests))
    for _ in range(MOST_TRIES):
        if not content:
            for earlier in (path, sidecar(path)):
                earlier.unlink(missing_ok=True)
        elif not path.is_file() or path.read_bytes() != content:
            write_bytes(path, content)
            write_json(sidecar(path), _described())
        before, content = content, _table(numbers_of_runs(output_dir, digests))
        if content == before:
            break
    return path if content else None


def _table(runs: Sequence[RunNumbers]) -> bytes:
    """Return the content of the table; nothing without runs."""
    if not runs:
        return b""
    keys = list(dict.fromkeys(key for run in runs for key in run.entities))
    lines = ["\t".join([*(_entity(key)[0] for key in keys), "node", "model", *COLUMNS])]
    for run in runs:
        labels = [_entity(key)[1] + run.entities[key] if key in run.entities else None
                  for key in keys]  # fmt: skip
        lines.append("\t".join(map(_cell, [*labels, run.node, run.model, *run.numbers.values()])))
    return ("\n".join(lines) + "\n").encode()


def _described() -> dict[str, Any]:
    about: dict[str, Any] = {}
    for name, column in COLUMNS.items():
        about[name] = {"Description": column.description}
        if column.unit:
            about[name]["Units"] = column.unit
    return about


def _entity(key: str) -> Sequence[str]:
    """Return the name of the column of an entity, and the prefix of its values."""
    return REGION_ENTITIES.get(key, (key, ""))


def _cell(value: Any) -> str:
    """Return the text of a cell: one line without tabs, whatever a sidecar has."""
    if value is None:
        return "n/a"
    if isinstance(value, float):
        return f"{value:.6g}"
    return " ".join(str(value).split()) or "n/a"
