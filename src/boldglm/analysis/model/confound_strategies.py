"""What a person asked for of confounds, turned into the columns that a model lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from boldglm.errors import BadDataError, MissingInputError, UsageError
from boldglm.glm import expand_strategies
from boldglm.glm.design.confound_names import (
    COSINES,
    DEFAULT_CONFOUNDS,
    NON_STEADY_STATE,
    has_cosines,
    is_pattern,
)
from boldglm.io.bids.confounds_table import ConfoundsTable


@dataclass(frozen=True)
class ConfoundSettings:
    """What of a confounds table goes into the design of every run.

    `columns` are names and patterns as a model lists them; a scan is censored when its
    framewise displacement is above `fd_threshold` (mm), or among the first `dummy_scans`.
    """

    columns: tuple[str, ...] = ()
    fd_threshold: float | None = None
    dummy_scans: int = 0

    @property
    def needs_table(self) -> bool:
        """Whether a run needs a confounds table."""
        return bool(self.columns) or self.fd_threshold is not None


@dataclass(frozen=True)
class ConfoundRequest:
    """What a person asked for, before the tables of the runs are known.

    `words` is None for the default; `dummy_scans` is None for those that fMRIPrep found.
    """

    words: tuple[str, ...] | None = None
    fd_threshold: float | None = None
    dummy_scans: int | None = None
    high_pass_is_asked: bool = False

    def choices(self, tables: Sequence[ConfoundsTable]) -> ConfoundSettings:
        """Turn wishes into what a model says, given the tables of its runs."""
        columns = choose_confounds(
            self.words,
            tables,
            find_dummy_scans=self.dummy_scans is None,
            own_high_pass=self.high_pass_is_asked,
        )
        return ConfoundSettings(columns, self.fd_threshold, self.dummy_scans or 0)


def choose_confounds(
    words: Sequence[str] | None,
    tables: Sequence[ConfoundsTable],
    *,
    find_dummy_scans: bool,
    own_high_pass: bool,
) -> tuple[str, ...]:
    """Return the names and patterns that the model of some runs lists.

    Parameters
    ----------
    words : sequence of str or None
        As `boldglm.glm.expand_strategies` takes them, or ``none``; None for the default: the
        six motion parameters, ``cosine*`` and ``non_steady_state_outlier*``.
    tables : sequence of ConfoundsTable
        Of all runs; empty if none has a table.
    find_dummy_scans : bool
        Whether scans that fMRIPrep found not to be in steady state are censored.
    own_high_pass : bool
        Whether a drift or none was asked for; then the default takes no cosines.

    Raises
    ------
    MissingInputError
        If there are words but no table.
    BadDataError
        If a word means nothing, or not the same columns in all runs.
    """
    wanted = list(words) if words is not None else None
    if not tables:
        if wanted and wanted != ["none"]:
            raise MissingInputError(
                f"--confounds {' '.join(wanted)}: no run has a confounds table "
                "(*_desc-confounds_timeseries.tsv). They come with fMRIPrep's derivatives: point "
                "to them with -d."
            )
        return ()
    if wanted is None:
        _check_default(tables)
        chosen = [name for name in DEFAULT_CONFOUNDS if name != NON_STEADY_STATE]
        chosen = [name for name in chosen if name != COSINES or not own_high_pass]
    elif wanted == ["none"]:
        chosen = []
    else:
        chosen = list(_same_in_all(wanted, tables))
    if find_dummy_scans and NON_STEADY_STATE not in chosen:
        chosen.append(NON_STEADY_STATE)
    if not any(has_cosines(table.columns) for table in tables):
        chosen = [name for name in chosen if name != COSINES]
    return tuple(chosen)


def high_pass_beside(
    columns: Sequence[str], period: float | None, *, is_asked: bool
) -> float | None:
    """Return the period of our own drift beside these confounds: none beside cosines.

    Raises
    ------
    UsageError
        If a period was asked for although the confounds bring a high-pass filter.
    """
    if not has_cosines(columns):
        return period
    if is_asked and period is not None:
        raise UsageError(
            f"--confounds brings fMRIPrep's cosines, which are a high-pass filter; --high-pass "
            f"{period:g} would be a second one. Leave out one of the two."
        )
    return None


def _check_default(tables: Sequence[ConfoundsTable]) -> None:
    for table in tables:
        missing = [
            name
            for name in DEFAULT_CONFOUNDS
            if not is_pattern(name) and name not in table.columns
        ]
        if missing:
            raise BadDataError(
                f"{table.name} lacks {', '.join(missing)}, which the default takes. Say "
                "with --confounds which columns to take, or --confounds none. It has: "
                f"{', '.join(table.columns[:40])}."
            )


def _same_in_all(words: Sequence[str], tables: Sequence[ConfoundsTable]) -> tuple[str, ...]:
    """Expand the words for every run; a model must list the same for all."""
    first: tuple[str, ...] = ()
    for table in tables:
        try:
            found = expand_strategies(words, table.columns, table.masks, table.explained)
        except ValueError as error:
            raise BadDataError(f"--confounds: {table.name}: {error}") from error
        first = first or found
        if found != first:
            differ = sorted(set(found) ^ set(first))
            raise BadDataError(
                f"--confounds {' '.join(words)} means other columns in {table.name} than in "
                f"{tables[0].name} ({', '.join(differ[:6])}), and one model must fit all "
                "runs. Ask for a number of components (compcor:5), name the columns, or fit the "
                "runs one by one (--run-label)."
            )
    return first
