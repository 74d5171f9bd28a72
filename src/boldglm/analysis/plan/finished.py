"""Finished results in the output folder, and whether they may be combined."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from boldglm.analysis.model.identity import (
    VERSION,
    Identity,
    comparable_differences,
    option_words,
)
from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.excluded_results import Exclusions
from boldglm.analysis.plan.result_filter import ResultFilter
from boldglm.errors import BadDataError, MissingInputError
from boldglm.io.files.checksums import is_unchanged
from boldglm.io.outputs.names import analysis_file_name
from boldglm.io.outputs.records import Record, record_files
from boldglm.vocabulary import NEEDED_ABOVE

ABOVE_RUN = ("session", "subject")
EFFECT_ONLY = ("effect",)  # of other programs; `check_variances` refuses nodes that need more


def finished_records(
    output_dir: Path,
    model: Model,
    nodes: Collection[str],
    chosen: ResultFilter | None = None,
    excluded: Exclusions | None = None,
) -> dict[Path, Record]:
    """Return the records of some nodes of an analysis.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    model : Model
        The model, with its identity.
    nodes : collection of str
        Names of its nodes.
    chosen : ResultFilter, optional
        Results to include; by default all.
    excluded : Exclusions, optional
        Runs and participants whose results are left out; by default none.

    Returns
    -------
    dict of Path to Record
        Records by path.

    Raises
    ------
    MissingInputError
        If a record lists a file that no longer exists.
    BadDataError
        If a record or file is not as it was written, or if participants were fitted with other
        options, another model or another version than the analysis has.
    UsageError
        If a run is to be excluded that a result combines with others.
    """
    chosen, excluded = chosen or ResultFilter(), excluded or Exclusions()
    records, others = {}, []
    for path in record_files(output_dir, chosen.selection.subjects or None):
        record = Record.read(path, output_dir)
        if record.node not in nodes or record.level == "dataset":
            continue
        if not chosen.accepts(record.entities) or excluded.cover(record):
            continue
        if record.digest == model.digest_of(record.node):
            records[path] = record
        elif record.model == model.name:
            others.append(record)
    if others:
        raise BadDataError(_mixture(model, others))
    excluded.refuse_parts(records.values())
    _check_selections(model, records.values())
    for path, record in records.items():
        _check_files(record, path, EFFECT_ONLY if model.starts_from_maps else NEEDED_ABOVE)
    return records


def _mixture(model: Model, records: Iterable[Record]) -> str:
    """Say which participants were fitted otherwise than the analysis says, and how."""
    assert model.identity is not None
    by_words: dict[str, dict[str, None]] = {}
    for record in records:
        words = _difference_words(model.identity, record.analysis)
        by_words.setdefault(words, {})[f"sub-{record.entities.get('sub', '?')}"] = None
    found = "; ".join(f"{_listed(labels)}: {words}" for words, labels in by_words.items())
    return (
        f"Participants of the analysis {model.name!r} were not fitted alike. {found}. Fit these "
        "participants again with the options of the analysis "
        f"(models/{analysis_file_name(model.name)}), or leave them out with --participant-label."
    )


def _difference_words(identity: Identity, analysis: Mapping[str, Any]) -> str:
    pairs = comparable_differences(analysis.get("Options", {}), identity.options)
    version = analysis.get("Version")
    if version != identity.version:
        pairs.append((VERSION, version, identity.version))
    if not analysis:
        return "fitted by an earlier version of boldglm"
    if not pairs:
        return "fitted with another model of that name"
    return ", ".join(
        f"fitted with {option_words(name, theirs)}, the analysis has {option_words(name, ours)}"
        for name, theirs, ours in pairs
    )


def _check_selections(model: Model, records: Iterable[Record]) -> None:
    """Refuse results above the run of which some are of chosen sessions or runs only."""
    by_words: dict[str, dict[str, None]] = {}
    for record in records:
        if record.level in ABOVE_RUN:
            chosen = record.analysis.get("Selection", {})
            words = ", ".join(option_words(name, labels) for name, labels in chosen.items())
            label = f"sub-{record.entities.get('sub', '?')}"
            by_words.setdefault(words or "all sessions and runs", {})[label] = None
    if len(by_words) < 2:
        return
    found = "; ".join(f"{_listed(labels)}: {words}" for words, labels in by_words.items())
    raise BadDataError(
        f"Participants of the analysis {model.name!r} were combined over different sessions or "
        f"runs. {found}. Fit them with the same selection; to leave out single runs, use "
        "--exclude, which keeps the reason."
    )


def _listed(labels: Iterable[str], most: int = 10) -> str:
    names = list(labels)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _check_files(record: Record, path: Path, needed: Sequence[str]) -> None:
    """Refuse a record whose maps are missing or are not as they were written."""
    for contrast in record.result.contrasts:
        absent = [label for label in needed if label not in contrast.maps]
        if absent and contrast.test != "F":
            raise MissingInputError(
                f"{path.name}: contrast {contrast.name!r} has no map of {' and '.join(absent)}, "
                "which levels above need and --maps left out. Repeat the level that wrote it with "
                f"--maps {' '.join(NEEDED_ABOVE)} and what else you want; cached fits are not "
                "repeated."
            )
    for file in record.needed_files:
        if not file.is_file():
            raise MissingInputError(
                f"{file} does not exist, although {path.name} lists it. Run the level that "
                "writes it again."
            )
        if not is_unchanged(file, record.files.get(file, "")):
            raise BadDataError(
                f"{file} is damaged: it has another size or checksum than {path.name} says. Run "
                "the level that writes it again."
            )
