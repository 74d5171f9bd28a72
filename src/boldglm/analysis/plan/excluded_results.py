"""Which finished results are of runs and participants that are excluded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boldglm.analysis.plan.result_filter import ResultFilter
from boldglm.errors import UsageError
from boldglm.io.bids.exclude_option import check_named, named_of
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.entities import applies_to, comparable, entities_of
from boldglm.io.outputs.exclusions import stored_exclusions
from boldglm.io.outputs.records import Record
from boldglm.notices import Notice, exclusion


@dataclass(frozen=True)
class Exclusions:
    """Runs and participants whose results are not used.

    Parameters
    ----------
    named : tuple of ExcludedRun
        From `--exclude` of this call: whatever has their entities.
    stored : tuple of ExcludedRun
        From the last call of the participant level.
    """

    named: tuple[ExcludedRun, ...] = ()
    stored: tuple[ExcludedRun, ...] = ()

    @classmethod
    def of(
        cls, output_dir: Path, bids_dir: Path, model: str, chosen: ResultFilter
    ) -> "Exclusions":
        """Return the exclusions of a model that are about the chosen participants.

        Raises
        ------
        NothingSelectedError
            If the user excludes what the dataset does not have.
        """
        check_named(chosen.exclude, [bids_dir, output_dir, *output_dir.glob("node-*")])
        subjects = chosen.selection.subjects
        named = [run for run in chosen.exclude if not subjects or run.entities["sub"] in subjects]
        return cls(tuple(named), stored_exclusions(output_dir, model, subjects))

    @property
    def runs(self) -> tuple[ExcludedRun, ...]:
        """All of them, each once."""
        names = {run.name for run in self.named}
        return (*self.named, *(run for run in self.stored if run.name not in names))

    def cover(self, record: Record) -> bool:
        """Tell whether a finished result is of what is excluded."""
        return named_of(record.entities, self.named) is not None or any(
            run.covers(record.entities, record.level) for run in self.stored
        )

    def refuse_parts(self, records: Iterable[Record]) -> None:
        """Refuse to exclude a run that a finished result has been combined from.

        Raises
        ------
        UsageError
        """
        for record in records:
            for run in self.named:
                if _is_part(run.entities, record):
                    raise UsageError(
                        f"--exclude {run.name}: this run is part of the finished results of "
                        f"sub-{run.entities['sub']}, which combine its runs. Repeat the "
                        f"participant level with --exclude {run.name}, or exclude "
                        f"sub-{run.entities['sub']} here."
                    )


def _is_part(named: Mapping[str, str], record: Record) -> bool:
    """Tell whether a result combines runs of these entities with others."""
    entities, wanted = comparable(record.entities), comparable(named)
    if any(wanted.get(key, label) != label for key, label in entities.items()):
        return False
    inputs = {label for contrast in record.result.contrasts for label in contrast.inputs}
    return any(applies_to(named, entities_of(f"{label}_bold")) for label in inputs)


def without_results(
    parents: Iterable[str],
    subjects_of_inputs: Iterable[str],
    bids_dir: Path,
    excluded: Sequence[ExcludedRun],
    subjects: Sequence[str] = (),
    model_input: Mapping[str, Sequence[str]] | None = None,
) -> list[Notice]:
    """Say which participants of the dataset have no result that could enter a level.

    Parameters
    ----------
    parents : iterable of str
        Nodes whose results enter the level.
    subjects_of_inputs : iterable of str
        Labels of participants that have one.
    bids_dir : Path
        The raw dataset.
    excluded : sequence of ExcludedRun
        Those whose exclusion is reported with its reason.
    subjects : sequence of str
        Labels of the participants that are selected; empty means all.
    model_input : mapping, optional
        What `Input` of the model selects.
    """
    known = {*subjects_of_inputs}
    known |= {run.entities["sub"] for run in excluded if run.entities.keys() == {"sub"}}
    labels = subjects or [path.name[4:] for path in bids_dir.glob("sub-*") if path.is_dir()]
    absent = [f"sub-{label}" for label in sorted(labels) if label not in known]
    if not absent:
        return []
    nodes = " or ".join(repr(name) for name in parents)
    verb = "has" if len(absent) == 1 else "have"
    chosen = "; ".join(f"{key} {', '.join(labels)}" for key, labels in (model_input or {}).items())
    remark = f" (Input of the model selects {chosen})" if chosen else ""
    return [exclusion(f"{', '.join(absent)} {verb} no finished result of node {nodes}{remark}")]
