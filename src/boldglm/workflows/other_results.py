"""Finished results that a call does not fit, but that its reports show."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from boldglm.analysis.model.model import Model
from boldglm.analysis.plan.models_of_results import saved_models
from boldglm.errors import BadDataError
from boldglm.io.outputs.exclusions import stored_exclusions
from boldglm.io.outputs.records import Record, dataset_record_files, record_files
from boldglm.notices import Notice, warning
from boldglm.vocabulary import LEVELS


class SavedResults:
    """Finished results of the analyses of an output folder; their models are read once.

    Parameters
    ----------
    output_dir : Path
        Root of the derivative dataset.
    """

    def __init__(self, output_dir: Path) -> None:
        self._output_dir = output_dir
        self._models = saved_models(output_dir)
        self._owners = {
            digest: index
            for index, model in reversed(list(enumerate(self._models)))
            if model.identity is not None
            for digest in model.identity.nodes.values()
        }

    @property
    def model_names(self) -> list[str]:
        """Names of the models of the output folder."""
        return list(dict.fromkeys(model.name for model in self._models))

    def others(
        self, subject: str | None, planned: Collection[Path]
    ) -> tuple[list[Path], list[Model]]:
        """Return results that a call leaves alone.

        These are results of other models, and of other runs, sessions or tasks, but not of those
        that are excluded.

        Parameters
        ----------
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
        out = self._output_dir
        stored = {
            model.name: () if subject is None else stored_exclusions(out, model.name, [subject])
            for model in self._models
        }
        paths = dataset_record_files(out) if subject is None else record_files(out, [subject])
        found: list[tuple[int, int, str, Path]] = []
        for path in paths:
            record = None if path in planned else _readable(path, out)
            if record is None or record.digest not in self._owners:
                continue
            owner = self._owners[record.digest]
            excluded = stored[self._models[owner].name]
            if not any(run.covers(record.entities, record.level) for run in excluded):
                level = -LEVELS.index(record.level)
                found.append((owner, level, path.as_posix(), path))
        found.sort()
        shown = dict.fromkeys(index for index, *_ in found)
        return [path for *_, path in found], [self._models[index] for index in shown]

    def stale(self, subjects: Iterable[str] | None = None) -> tuple[Notice, ...]:
        """Warn of results that belong to none of the analyses any more.

        Parameters
        ----------
        subjects : iterable of str, optional
            Labels of participants; by default all of them, and the dataset level too.
        """
        out = self._output_dir
        records = (_readable(path, out) for path in record_files(out, subjects))
        nodes = Counter(
            record.node for record in records if record and record.digest not in self._owners
        )
        return tuple(
            warning(
                f"node-{node} has {count} {'result' if count == 1 else 'results'} of an earlier "
                "analysis, which no report shows and no level uses. Delete what you do not need"
            )
            for node, count in sorted(nodes.items())
        )


def _readable(path: Path, output_dir: Path) -> Record | None:
    """Return a record; None if it is damaged, so that its result counts as not finished."""
    try:
        return Record.read(path, output_dir)
    except BadDataError:
        return None
