"""Exclusions of the last call for each participant, for the levels above the run.

Results of runs that are excluded by now may still be in the output folder. Levels that start from
finished results read here what to leave out, and why.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from boldglm.errors import BadDataError
from boldglm.io.bids.excluded_runs import ExcludedRun, without_empty_groups
from boldglm.io.bids.selection import Selection
from boldglm.io.files.json_files import read_json, write_json
from boldglm.io.outputs.names import node_label

FOLDER = Path("logs") / "exclusions"  # a file for each participant and model
KEY = "Exclusions"


def store_exclusions(
    output_dir: Path,
    model: str,
    excluded: Sequence[ExcludedRun],
    analyzed: Sequence[Mapping[str, str]],
    selection: Selection,
) -> None:
    """Store the exclusions of one model; remove reports that show others.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    model : str
        Name of the model.
    excluded : sequence of ExcludedRun
        Runs and participants of this call that are not analyzed.
    analyzed : sequence of mapping
        Entities of those that are.
    selection : Selection
        Which sessions, tasks and runs the call is about; exclusions of others are kept.
    """
    by_subject: dict[str, list[ExcludedRun]] = {run["sub"]: [] for run in analyzed}
    for run in without_empty_groups(excluded, analyzed):
        by_subject.setdefault(run.entities["sub"], []).append(run)
    for subject, of_call in by_subject.items():
        path = output_dir / FOLDER / _file_name(subject, model)
        stored = _read(path)
        kept = [run for run in stored if not selection.is_about(run.entities)]
        runs = [*kept, *of_call]
        if stored == runs:
            continue
        (output_dir / f"sub-{subject}.html").unlink(missing_ok=True)
        if runs:
            listed = [
                {
                    "Entities": dict(run.entities),
                    "Reason": run.reason,
                    "Runs": run.n_runs,
                    "All": run.is_group,
                }
                for run in runs
            ]
            write_json(path, {KEY: listed})
        else:
            path.unlink()


def stored_exclusions(
    output_dir: Path, model: str, subjects: Sequence[str] = ()
) -> tuple[ExcludedRun, ...]:
    """Return the stored exclusions of a model, of some participants or of all."""
    folder = output_dir / FOLDER
    paths: Iterable[Path] = (
        [folder / _file_name(subject, model) for subject in subjects]
        if subjects
        else sorted(folder.glob(_file_name("*", model)))
    )
    return tuple(run for path in paths for run in _read(path))


def exclusion_files(output_dir: Path, subject: str) -> list[Path]:
    """Return the files with exclusions of a participant, of all models."""
    return sorted((output_dir / FOLDER).glob(f"sub-{subject}_model-*.json"))


def excluded_subjects(output_dir: Path) -> list[str]:
    """Return the labels of the participants that have exclusions."""
    paths = (output_dir / FOLDER).glob("sub-*_model-*.json")
    return sorted({path.name.partition("_")[0].removeprefix("sub-") for path in paths})


def _file_name(subject: str, model: str) -> str:
    return f"sub-{subject}_model-{node_label(model)}.json"


def _read(path: Path) -> list[ExcludedRun]:
    try:
        content = read_json(path)
        return [
            ExcludedRun(
                dict(item["Entities"]),
                str(item["Reason"]),
                int(item["Runs"]),
                is_group=bool(item["All"]),
            )
            for item in content[KEY]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise BadDataError(
            f"{path} is damaged ({error}). Delete it and repeat the participant level."
        ) from error
