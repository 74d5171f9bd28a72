"""The section of one result in the report: figures, tables and facts.

Arrays in, a `Section` and picture files out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from boldglm.glm import Collinearity, Design
from boldglm.glm.design.confound_names import confound_category
from boldglm.glm.design.confounds import describe_scans
from boldglm.glm.design.regressor_pairs import before_orthogonalization, most_correlated_pair
from boldglm.glm.inference.multiple_comparisons import benjamini_hochberg
from boldglm.io.outputs.measured_pairs import MeasuredPair
from boldglm.notices import Notice
from boldglm.reports.content import (
    ContrastResult,
    Fact,
    Figure,
    Section,
    Table,
    Topic,
    make_anchor,
)
from boldglm.reports.correlated_pair import pair_topic
from boldglm.reports.input_effects import InputMaps
from boldglm.reports.views import Shading, View, VolumeView, draw_on_all

Z_SHOWN = 3.09  # p < .001, one-sided, uncorrected
PREFIX = "trial_type."
Q_NAME = "q FDR"
NOT_MEASURED = "the run was fitted without comparing them"


@dataclass(frozen=True)
class DrawnContrast:
    """A contrast to draw; maps have the shape (n_voxels,)."""

    name: str
    test: str
    weights_text: str
    dof_text: str
    z: np.ndarray | None  # None if no map tells it
    sides: str = "two"  # of p and q: "one" or "two"; of t only
    corrected: Mapping[str, np.ndarray] = field(default_factory=dict)  # p values by their name
    inputs: InputMaps | str | None = None  # of a level above the run, or why there are none

    @property
    def test_text(self) -> str:
        """What is tested, in words."""
        if self.test != "t":
            return f"{self.test}: any of its effects, upper tail"
        if self.sides == "two":
            return "t, two-sided: positive and negative effects"
        return "t, one-sided: p and q are those of positive effects"


@dataclass(frozen=True)
class DrawnDesign:
    """A design to draw, before and after orthogonalization."""

    design: Design
    before: Design | None
    collinearity: Collinearity  # of the design with its contrasts
    events: tuple[tuple[str, list[float], list[float]], ...]  # (condition, onsets, durations)
    contrast_rows: tuple[tuple[str, np.ndarray], ...]  # (name, weights), one per row of F


def draw_design(shown: DrawnDesign, folder: Path) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Draw everything about a design, and tabulate its collinearity."""
    names = [_short(name) for name in shown.design.names]
    drawn = [_draw_matrix(shown.design, names, folder)]
    chosen = _columns_of_interest(shown)
    if chosen:
        drawn.append(_draw_regressors(shown, chosen, names, folder))
        drawn.append(_draw_correlation(shown, chosen, names, folder))
        drawn += _draw_all_correlations(shown, chosen, names, folder)
    if shown.before is not None:
        drawn.append(_draw_orthogonalization(shown.before, shown.design, names, folder))
    if chosen and shown.contrast_rows:
        drawn.append(_draw_weights(shown, chosen, names, folder))
    tables = [_efficiency_table(shown.collinearity)]
    if shown.design.columns("confound"):
        tables.append(_confounds_table(shown.design))
    return tuple(drawn), tuple(tables)


def draw_pairs(design: Design, pairs: Sequence[MeasuredPair], folder: Path) -> tuple[Topic, ...]:
    """Explain correlated regressors of a design, before any orthogonalization.

    Raises
    ------
    ValueError
        If the design lacks one of them.
    """
    before = before_orthogonalization(design)
    most = most_correlated_pair(before)
    shown = list(pairs)
    if most is not None and most not in [measured.pair for measured in pairs]:
        shown.insert(0, MeasuredPair(most, reason=NOT_MEASURED))
    return tuple(
        pair_topic(before, measured, folder, number) for number, measured in enumerate(shown, 1)
    )


def _columns_of_interest(shown: DrawnDesign) -> list[int]:
    """Return the conditions; in a design without any, the columns that contrasts weight."""
    conditions = list(shown.design.columns("condition"))
    constant = shown.design.columns("constant")
    weighted = {int(k) for _, weights in shown.contrast_rows for k in np.flatnonzero(weights)}
    return conditions or sorted(weighted - set(constant))


def _kind(shown: DrawnDesign) -> str:
    return "Condition regressors" if shown.design.columns("condition") else "Tested regressors"


def _draw_matrix(design: Design, names: Sequence[str], folder: Path) -> Figure:
    from boldglm.reports import figures as draw

    matrix, shown = _with_censored_as_one(design, names)
    caption = f"Design matrix: {design.n_scans} volumes, {design.n_regressors} regressors."
    if design.censored:
        caption += (
            " The indicators of the censored volumes are drawn as one column: volumes "
            f"{describe_scans(design.censored, design.n_scans)}, counted from 0."
        )
    return Figure(
        draw.plot_design_matrix(matrix, shown, folder / "design.svg"),
        caption,
        f"Design matrix as a gray image: {design.n_scans} rows, and the columns {_listed(shown)}.",
    )


def _listed(names: Sequence[str], n_most: int = 12) -> str:
    """Return names as a list in words, the first of many.

    Examples
    --------
    >>> _listed(["cue", "cue", "target"], 1)
    'cue and 1 more'
    """
    every = list(dict.fromkeys(names))
    more = len(every) - n_most
    return ", ".join(every[:n_most]) + (f" and {more} more" if more > 0 else "")


def _most_correlated(correlations: np.ndarray, vif: Sequence[float], names: Sequence[str]) -> str:
    """Say which regressors correlate most, and which estimate suffers most.

    Examples
    --------
    >>> _most_correlated(np.array([[1, -0.5], [-0.5, 1]]), [1.3, 1.33], ["cue", "target"])
    'Largest correlation: −0.50, of cue and target. Largest variance inflation: 1.3, of target.'
    """
    others = np.abs(np.nan_to_num(correlations - np.diag(np.diag(correlations))))
    first, second = divmod(int(np.argmax(others)), len(others))
    worst = int(np.argmax(vif))
    inflation = f"Largest variance inflation: {vif[worst]:.2g}, of {names[worst]}."
    if first == second:
        return inflation
    r = f"{correlations[first, second]:.2f}".replace("-", "−")
    return f"Largest correlation: {r}, of {names[first]} and {names[second]}. {inflation}"


def _with_censored_as_one(design: Design, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Draw the indicators of all censored volumes as one column: single dots tell nothing."""
    censored = design.columns("censored")
    if not censored:
        return design.matrix, list(names)
    kept = [column for column in range(design.n_regressors) if column not in censored]
    place = sum(column < censored[0] for column in kept)
    together = design.matrix[:, censored].sum(axis=1)
    shown = [names[column] for column in kept]
    shown.insert(place, f"{len(censored)} censored")
    return np.insert(design.matrix[:, kept], place, together, axis=1), shown


def _confounds_table(design: Design) -> Table:
    """List the confounds of a design by kind."""
    kinds: dict[str, list[str]] = {}
    for column in design.columns("confound"):
        name = design.names[column]
        kinds.setdefault(confound_category(name), []).append(name)
    rows = tuple((kind, str(len(names)), ", ".join(names)) for kind, names in kinds.items())
    return Table(("Confounds", "Number", "Columns"), rows, "Confounds in the design.")


def _draw_regressors(
    shown: DrawnDesign, chosen: Sequence[int], names: Sequence[str], folder: Path
) -> Figure:
    from boldglm.reports import figures as draw

    return Figure(
        draw.plot_regressors(
            shown.design.matrix[:, chosen],
            [names[column] for column in chosen],
            shown.design.frame_times,
            folder / "regressors.svg",
            events=[(_short(name), on, off) for name, on, off in shown.events],
        ),
        f"{_kind(shown)} over time{', with their events as bars' if shown.events else ''}.",
        f"Curves over the run: {_listed([names[column] for column in chosen])}.",
    )


def _draw_correlation(
    shown: DrawnDesign, chosen: Sequence[int], names: Sequence[str], folder: Path
) -> Figure:
    from boldglm.reports import figures as draw

    vif = [shown.collinearity.vif[shown.design.names[column]] for column in chosen]
    labels = [names[column] for column in chosen]
    return Figure(
        draw.plot_correlation(
            shown.collinearity.correlations[np.ix_(chosen, chosen)],
            labels,
            np.array(vif),
            folder / "correlation.svg",
        ),
        f"Correlations between the {_kind(shown).lower()}, and the variance inflation factor "
        "(VIF) of each given all other columns of the design.",
        "Heat map of correlations beside bars of variance inflation factors. "
        + _most_correlated(shown.collinearity.correlations[np.ix_(chosen, chosen)], vif, labels),
    )


def _draw_all_correlations(
    shown: DrawnDesign, chosen: Sequence[int], names: Sequence[str], folder: Path
) -> list[Figure]:
    """Draw correlations with confounds and drift as well, if there are any."""
    from boldglm.reports import figures as draw

    correlations = shown.collinearity.correlations
    varying = np.flatnonzero(np.diag(correlations) > 0)
    others = [int(column) for column in varying if column not in chosen]
    if not others:
        return []
    across = np.abs(np.nan_to_num(correlations[np.ix_(chosen, others)]))
    row, column = divmod(int(np.argmax(across)), len(others))
    r = f"{correlations[chosen[row], others[column]]:.2f}".replace("-", "−")
    pair = f"{names[chosen[row]]} and {names[others[column]]} ({r})"
    order = [*chosen, *others]
    return [
        Figure(
            draw.plot_all_correlations(
                correlations[np.ix_(order, order)],
                [names[column] for column in order],
                folder / "correlations.svg",
            ),
            f"Correlations between all columns of the design. Of the {_kind(shown).lower()} with "
            f"the others, {pair} correlate most.",
            f"Heat map of the correlations of {len(order)} columns.",
        )
    ]


def _draw_weights(
    shown: DrawnDesign, chosen: Sequence[int], names: Sequence[str], folder: Path
) -> Figure:
    from boldglm.reports import figures as draw

    return Figure(
        draw.plot_contrasts(
            np.stack([weights[chosen] for _, weights in shown.contrast_rows]),
            [name for name, _ in shown.contrast_rows],
            [names[column] for column in chosen],
            folder / "contrasts.svg",
        ),
        f"Contrast weights over the {_kind(shown).lower()}.",
        f"Heat map of the weights of {_listed([name for name, _ in shown.contrast_rows])}.",
    )


def _draw_orthogonalization(
    before: Design, after: Design, names: Sequence[str], folder: Path
) -> Figure:
    from boldglm.reports import figures as draw

    changed = [
        column
        for column in range(after.n_regressors)
        if not np.array_equal(before.matrix[:, column], after.matrix[:, column])
    ]
    return Figure(
        draw.plot_orthogonalization(
            before.matrix[:, changed],
            after.matrix[:, changed],
            [names[column] for column in changed],
            after.frame_times,
            folder / "orthogonalization.svg",
        ),
        "Orthogonalized regressors before (dashed) and after (solid). The estimate of the "
        "regressor that they were orthogonalized against now includes the shared variance. With "
        "least squares, and if no further condition correlates with them, it is that of the model "
        "without them; else it is near it.",
        f"Curves before and after: {_listed([names[column] for column in changed])}.",
    )


def _efficiency_table(collinearity: Collinearity) -> Table:
    rows = []
    for name, error in collinearity.predicted_standard_error.items():
        errors = ", ".join(f"{value:.3g}" for value in np.atleast_1d(error))
        if not collinearity.estimable[name]:
            errors = "not estimable"
        rows.append((_short(name), errors, f"{collinearity.efficiency[name]:.3g}"))
    return Table(
        ("Contrast", "Predicted standard error", "Efficiency"),
        tuple(rows),
        "Predicted from the design alone, for white noise of standard deviation 1.",
    )


def draw_contrasts(
    contrasts: Sequence[DrawnContrast], views: tuple[View, ...], folder: Path
) -> tuple[ContrastResult, ...]:
    """Draw the thresholded z map of every contrast and list its peaks."""
    results = []
    for number, shown in enumerate(contrasts, start=1):
        shading = Shading(Z_SHOWN, two_sided=shown.test == "t")
        threshold_text = ("|z|" if shading.two_sided else "z") + f" ≥ {Z_SHOWN}, uncorrected"
        result = ContrastResult(
            shown.name, shown.test_text, shown.weights_text, threshold_text, shown.dof_text
        )
        path = folder / f"map{number:02d}"
        results.append(_with_map(result, shown, views, shading, path))
    return tuple(results)


def _with_map(
    result: ContrastResult,
    shown: DrawnContrast,
    views: tuple[View, ...],
    shading: Shading,
    path: Path,
) -> ContrastResult:
    """Add the pictures and peaks of a contrast, or a note in their place."""
    from boldglm.reports.histograms import draw_null_histogram

    z = shown.z
    if z is None:
        note = "No map of this contrast was written that could be drawn (--maps)."
        return replace(result, note=note)
    caption = f"z map of {result.name}"
    volumes = [view for view in views if isinstance(view, VolumeView)]
    return replace(
        result,
        maps=(
            *draw_on_all(views, z, shading, path, caption),
            *(one for view in volumes for one in view.draw_glass_brain(z, shading, path, caption)),
            draw_null_histogram(z, path, result.name),
            *_draw_inputs(shown, views, shading, path),
        ),
        peaks=tuple(
            view.tabulate(z, shading, result.threshold_text, p_values_of(shown)) for view in views
        ),
        volumes=tuple(one for view in volumes for one in view.pack(z, shading, path)),
        note=shown.inputs if isinstance(shown.inputs, str) else None,
    )


def _draw_inputs(
    shown: DrawnContrast, views: tuple[View, ...], shading: Shading, path: Path
) -> tuple[Figure, ...]:
    """Draw the effects of all inputs at the largest peaks, if it is known what came in."""
    from boldglm.reports.input_effects import MOST_PEAKS, draw_input_effects

    z = shown.z
    if not isinstance(shown.inputs, InputMaps) or z is None:
        return ()
    peaks = [one for view in views for one in view.largest(z, shading, MOST_PEAKS)]
    peaks = sorted(peaks, key=lambda one: -abs(z[one[1]]))[:MOST_PEAKS]
    return (draw_input_effects(shown.inputs, peaks, path, shown.name),) if peaks else ()


def p_values_of(shown: DrawnContrast) -> dict[str, np.ndarray]:
    """Return p and q of every voxel of a contrast, and corrected p values where there are maps.

    Voxels whose z is 0 were not tested; their p and q are 1.
    """
    assert shown.z is not None
    z = np.nan_to_num(shown.z)
    two_sided = shown.test == "t" and shown.sides == "two"
    p = 2 * ndtr(-np.abs(z)) if two_sided else ndtr(-z)
    q = shown.corrected.get(Q_NAME)
    if q is None:
        q, tested = np.ones(z.size), z != 0
        if tested.any():
            q[tested] = benjamini_hochberg(p[tested])
    others = {name: row for name, row in shown.corrected.items() if name != Q_NAME}
    return {"p": p, Q_NAME: q, **others}


def make_section(
    title: str,
    facts: Sequence[Fact],
    notices: Sequence[Notice],
    contrasts: tuple[ContrastResult, ...],
    design: tuple[tuple[Figure, ...], tuple[Table, ...]] = ((), ()),
    *,
    is_open: bool,
    topics: tuple[Topic, ...] = (),
) -> Section:
    """Put a section together."""
    return Section(
        title=title,
        anchor=make_anchor(title),
        facts=tuple(facts),
        notices=tuple(notices),
        figures=design[0],
        tables=design[1],
        topics=topics,
        contrasts=contrasts,
        is_open=is_open,
    )


def _short(name: str) -> str:
    return name.removeprefix(PREFIX)
