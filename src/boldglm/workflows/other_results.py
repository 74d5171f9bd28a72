"""Finished results that a call does not fit, but that its reports show."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.models_of_results import saved_models
from boldglm.errors import BadDataError
from boldglm.io.outputs.exclusions import stored_exclusions
from boldglm.io.outputs.records import Record, record_files
from boldglm.notices import Notice, warning
from boldglm.vocabulary import LEVELS


def other_results(
    output_dir: Path, subject: str | None, planned: Collection[Path]
) -> tuple[list[Path], list[Model]]:
    """Return finished results of the analyses of an output folder that a call leaves alone.

    These are results of other models, and of other runs, sessions or tasks, but not of those that
    are excluded.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    subject : str or None
        Label of a participant; None for the dataset level.
    planned : collection of Path
        Records of the results that the call fits or has found finished.

    Returns
    -------
    records : list of Path
        Their records, by model, the highest level first.
    models : list of Model
        Models of these results.
    """
    models = saved_models(output_dir)
    owners = {
        digest: index
        for index, model in reversed(list(enumerate(models)))
        if model.identity is not None
        for digest in model.identity.nodes.values()
    }
    of_subject = [] if subject is None else [subject]
    stored = {
        model.name: stored_exclusions(output_dir, model.name, of_subject) if of_subject else ()
        for model in models
    }
    found: list[tuple[int, int, str, Path]] = []
    for path in record_files(output_dir, None if subject is None else [subject]):
        if path in planned or (subject is None and path.parent.parent != output_dir):
            continue  # only those of the dataset level lie in the folder of their node
        record = _readable(path, output_dir)
        if record is not None and record.digest in owners:
            model = models[owners[record.digest]].name
            if any(run.covers(record.entities, record.level) for run in stored[model]):
                continue
            level = -LEVELS.index(record.level)
            found.append((owners[record.digest], level, path.as_posix(), path))
    found.sort()
    shown = dict.fromkeys(index for index, *_ in found)
    return [path for *_, path in found], [models[index] for index in shown]


def _readable(path: Path, output_dir: Path) -> Record | None:
    """Return a record; None if it is damaged, so that its result counts as not finished."""
    try:
        return Record.read(path, output_dir)
    except BadDataError:
        return None


def stale_results(output_dir: Path, subjects: Iterable[str] | None = None) -> tuple[Notice, ...]:
    """Warn of results that belong to no analysis of an output folder any more.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    subjects : iterable of str, optional
        Labels of participants; by default all of them, and the dataset level too.
    """
    digests = {
        digest
        for model in saved_models(output_dir)
        if model.identity is not None
        for digest in model.identity.nodes.values()
    }
    records = (_readable(path, output_dir) for path in record_files(output_dir, subjects))
    nodes = Counter(record.node for record in records if record and record.digest not in digests)
    return tuple(
        warning(
            f"node-{node} has {count} {'result' if count == 1 else 'results'} of an earlier "
            "analysis, which no report shows and no level uses. Delete what you do not need"
        )
        for node, count in sorted(nodes.items())
    )
