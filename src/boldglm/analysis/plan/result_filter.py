"""Which finished results levels above them start from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from boldglm.errors import NothingSelectedError
from boldglm.io.bids.excluded_runs import ExcludedRun
from boldglm.io.bids.preprocessed import fits_space, space_label
from boldglm.io.bids.selection import Selection, passes_filter
from boldglm.stats_model.entity_names import ENTITY_KEYS


@dataclass(frozen=True)
class ResultFilter:
    """Which finished results levels above them start from.

    Parameters
    ----------
    selection : Selection
        Participants, sessions, tasks and runs.
    space : str, optional
        Space of the results, such as ``MNI152NLin2009cAsym`` or ``MNI152NLin2009cAsym:res-2``.
    exclude : tuple of ExcludedRun
        Participants and runs that the user excludes.

    Examples
    --------
    >>> only_rest = ResultFilter(Selection(tasks=("rest",)))
    >>> only_rest.accepts({"sub": "01", "task": "rest"}), only_rest.accepts({"task": "nback"})
    (True, False)
    """

    selection: Selection = field(default_factory=Selection)
    space: str | None = None
    exclude: tuple[ExcludedRun, ...] = ()

    def accepts(self, entities: Mapping[str, str]) -> bool:
        """Say whether a result has the entities that are asked for, whoever it is of."""
        return self._is_in_space(entities) and all(
            passes_filter(dict(entities), key, value) for key, value in self._filters().items()
        )

    def _filters(self) -> dict[str, Any]:
        asked = self.selection
        labels = {"task": asked.tasks, "ses": asked.sessions, "run": asked.runs}
        filters: dict[str, Any] = {key: list(found) for key, found in labels.items() if found}
        return filters | {ENTITY_KEYS.get(key, key): value for key, value in asked.filters}

    def _is_in_space(self, entities: Mapping[str, str]) -> bool:
        return self.space is None or fits_space(space_label(entities), self.space)

    def refuse(self, results: Sequence[Mapping[str, str]]) -> NoReturn:
        """Say which filter no result passes.

        Raises
        ------
        NothingSelectedError
        """
        if not any(self._is_in_space(entities) for entities in results):
            spaces = ", ".join(sorted({space_label(entities) for entities in results}))
            raise NothingSelectedError(
                f"--space {self.space}: the results in the output folder are in {spaces}."
            )
        for key, value in self._filters().items():
            if any(passes_filter(dict(entities), key, value) for entities in results):
                continue
            found = sorted({entities[key] for entities in results if key in entities})
            asked = ", ".join(map(str, value)) if isinstance(value, list) else value
            if found:
                raise NothingSelectedError(
                    f"No result in the output folder is of {key}-{asked}. They are of: "
                    f"{', '.join(found)}."
                )
            raise NothingSelectedError(
                f"The results that this level starts from combine what {key} tells apart, so "
                f"{key}-{asked} cannot be chosen here. Choose it at the participant level, in "
                "another OUTPUT_DIR or with --model-name NAME."
            )
        raise NothingSelectedError(
            "No result in the output folder passes all filters together. Choose fewer."
        )
