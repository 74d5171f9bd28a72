"""Confound strategies, turned into the columns that a model lists."""

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
from boldglm.vocabulary import DRIFT


@dataclass(frozen=True)
class ConfoundSettings:
    """Confounds and censored volumes in the design of every run.

    Parameters
    ----------
    columns : tuple of str
        Columns of the confounds table: names, and patterns such as ``cosine*``.
    fd_threshold : float, optional
        Framewise displacement in mm above which a volume is censored.
    dummy_scans : int
        Number of first volumes that are censored.

    Examples
    --------
    >>> ConfoundSettings(columns=("trans_*", "rot_*"), fd_threshold=0.5).needs_table
    True
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
    """Confounds that the user requested, before the tables of the runs are read.

    Parameters
    ----------
    strategies : tuple of str, optional
        Strategies and columns as in `boldglm.glm.expand_strategies`; None for the default.
    fd_threshold : float, optional
        Framewise displacement in mm above which a volume is censored.
    dummy_scans : int, optional
        Number of first volumes to censor; None for those that fMRIPrep detected.
    drift_is_requested : bool
        Whether the user chose the drift model or its period.
    """

    strategies: tuple[str, ...] | None = None
    fd_threshold: float | None = None
    dummy_scans: int | None = None
    drift_is_requested: bool = False

    def settings(self, tables: Sequence[ConfoundsTable]) -> ConfoundSettings:
        """Return the confounds of a model.

        Parameters
        ----------
        tables : sequence of ConfoundsTable
            The tables of all runs of the model.

        Returns
        -------
        ConfoundSettings
            Columns, and which volumes are censored.
        """
        columns = choose_confounds(
            self.strategies,
            tables,
            censor_detected=self.dummy_scans is None,
            has_drift_model=self.drift_is_requested,
        )
        return ConfoundSettings(columns, self.fd_threshold, self.dummy_scans or 0)


def choose_confounds(
    strategies: Sequence[str] | None,
    tables: Sequence[ConfoundsTable],
    *,
    censor_detected: bool,
    has_drift_model: bool,
) -> tuple[str, ...]:
    """Return the columns of confounds for the model of some runs.

    Parameters
    ----------
    strategies : sequence of str or None
        Strategies and columns as in `boldglm.glm.expand_strategies`, or ``none``; None for the
        default: the six motion parameters, ``cosine*`` and ``non_steady_state_outlier*``.
    tables : sequence of ConfoundsTable
        Tables of all runs; empty if no run has a table.
    censor_detected : bool
        Whether to censor the volumes that fMRIPrep detected as not in steady state.
    has_drift_model : bool
        Whether the user chose the drift model; if so, the default includes no cosines.

    Returns
    -------
    tuple of str
        Names, and patterns such as ``cosine*``.

    Raises
    ------
    MissingInputError
        If there are strategies but no table.
    BadDataError
        If a strategy is unknown, or stands for different columns in different runs.
    """
    if not tables:
        if strategies and list(strategies) != ["none"]:
            raise MissingInputError(
                f"--confounds {' '.join(strategies)}: no run has a confounds table "
                "(*_desc-confounds_timeseries.tsv). fMRIPrep writes such tables; give the folder "
                "of its derivatives with -d."
            )
        return ()
    if strategies is None:
        _check_default(tables)
        chosen = [name for name in DEFAULT_CONFOUNDS if name != NON_STEADY_STATE]
        chosen = [name for name in chosen if name != COSINES or not has_drift_model]
    elif list(strategies) == ["none"]:
        chosen = []
    else:
        chosen = list(_expand_for_all(strategies, tables))
    if censor_detected and NON_STEADY_STATE not in chosen:
        chosen.append(NON_STEADY_STATE)
    if not any(has_cosines(table.columns) for table in tables):
        chosen = [name for name in chosen if name != COSINES]
    return tuple(chosen)


def drift_with_confounds(
    columns: Sequence[str], drift: str, period: float | None, *, is_requested: bool
) -> tuple[str, float | None]:
    """Return the drift model and its cut-off period; none if the confounds include cosines.

    Parameters
    ----------
    columns : sequence of str
        Names and patterns of confounds.
    drift : str
        As for `boldglm.glm.build_design`.
    period : float or None
        Cut-off period of a cosine drift in seconds.
    is_requested : bool
        Whether the user gave one of the two.

    Raises
    ------
    UsageError
        If the user chose a drift although the confounds are a high-pass filter already.
    """
    if not has_cosines(columns):
        return drift, period
    is_cosine = drift == DRIFT
    if is_requested and drift != "none" and not (is_cosine and period is None):
        option = f"--high-pass {period:g}" if is_cosine else f"--drift {drift}"
        raise UsageError(
            f"--confounds includes fMRIPrep's cosines, which are a high-pass filter, so "
            f"{option} would be a second one. Leave out one of the two."
        )
    return DRIFT, None


def _check_default(tables: Sequence[ConfoundsTable]) -> None:
    """Refuse the default confounds if every table lacks one of them."""
    needed = [name for name in DEFAULT_CONFOUNDS if not is_pattern(name)]
    table = max(tables, key=lambda table: len(set(needed) & set(table.columns)))
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise BadDataError(
            f"{table.name} lacks {', '.join(missing)}, which the default confounds include. "
            f"It has: {', '.join(table.columns[:40])}. Choose columns with --confounds, or "
            "--confounds none."
        )


def _expand_for_all(
    strategies: Sequence[str], tables: Sequence[ConfoundsTable]
) -> tuple[str, ...]:
    """Return the columns of strategies, which must be the same in all runs.

    A table that lacks one of them is reported where its run is analyzed, unless all do.
    """
    first: tuple[str, ...] = ()
    first_name = ""
    errors: list[str] = []
    for table in tables:
        try:
            columns = expand_strategies(
                strategies, table.columns, table.masks, table.variance_explained
            )
        except ValueError as error:
            errors.append(f"--confounds: {table.name}: {error}")
            continue
        if not first:
            first, first_name = columns, table.name
        if columns != first:
            differing = sorted(set(columns) ^ set(first))
            raise BadDataError(
                f"--confounds {' '.join(strategies)} stands for other columns in {table.name} "
                f"than in {first_name} ({', '.join(differing[:6])}), but all runs share one "
                "model. Give a number of components (compcor:5), or name the columns."
            )
    if len(errors) == len(tables):
        raise BadDataError(errors[0])
    return first
