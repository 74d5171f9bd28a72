"""The designs of higher levels as sections of the plan's page."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from boldglm.analysis.plan.levels import LevelPlan
from boldglm.glm.design.summaries import counted, listed
from boldglm.io.entities import entities_stem, short_names
from boldglm.reports.content import Figure, Section, Table, make_anchor
from boldglm.reports.designs import plot_design_matrix
from boldglm.stats_model.node_plans import FitPlan


def draw_levels(
    groups: Sequence[Sequence[LevelPlan]], about: str, folder: Path
) -> Iterable[Section]:
    """Draw the designs of higher levels.

    Parameters
    ----------
    groups : sequence of sequence of LevelPlan
        Fits of one node that differ only in whose results they combine; a section for each.
    about : str
        What titles start with.
    folder : Path
        For the pictures.
    """
    n_groups = Counter(levels[0].plan.node.name for levels in groups)
    for number, levels in enumerate(groups):
        plan, node = levels[0].plan, levels[0].plan.node
        names = [entities_stem(level.plan.entities) or "all inputs" for level in levels]
        title = f"{about}{node.level.capitalize()} level, node {node.name}"
        title += f": {listed(names, 2)}" if n_groups[node.name] > 1 else ""
        width = node.boldglm_options.get("SmoothingFWHM")
        facts = [("Type", node.type), ("Results like this", f"{len(levels)}: {listed(names, 8)}")]
        if width:
            facts.append(("Smoothing of the effects", f"{width:g} mm FWHM"))
        yield Section(
            title,
            make_anchor(f"{title}-{number}"),
            facts=tuple(facts),
            notices=plan.notes,
            figures=tuple(_drawn(plan.fits, folder / f"level{number}")),
            tables=(_fits_table(plan.fits),),
            is_open=node.level == "dataset",
        )


def _fits_table(fits: Sequence[FitPlan]) -> Table:
    """Return a row for each contrast of the level."""
    rows = []
    for fit in fits:
        incoming = ", ".join(dict.fromkeys(one.contrast for one in fit.inputs))
        rank = int(np.linalg.matrix_rank(fit.design.matrix))
        rows += [
            (
                *(contrast.name, contrast.test, incoming, str(len(fit.inputs))),
                *(", ".join(fit.design.names), str(len(fit.inputs) - rank)),
            )
            for contrast in fit.contrasts
        ]
    return Table(
        ("Contrast", "Test", "Of", "Inputs", "Columns", "Inputs less rank"),
        tuple(rows),
        "What is estimated, of which contrasts of the level below. Inputs less rank are the "
        "degrees of freedom where variances are estimated from the inputs.",
    )


def _drawn(fits: Sequence[FitPlan], folder: Path) -> Iterable[Figure]:
    """Draw every design that has more than a constant, equal ones once."""
    known: dict[tuple[object, ...], FitPlan] = {}
    for fit in fits:
        design = fit.design
        known.setdefault((design.names, design.matrix.shape, design.matrix.tobytes()), fit)
    for number, fit in enumerate(known.values()):
        names = fit.design.names
        if len(names) < 2:
            continue
        short = short_names(list(dict.fromkeys(one.label for one in fit.inputs)))
        rows = [short[one.label] for one in fit.inputs]
        inputs = counted(len(rows), "input")
        yield Figure(
            plot_design_matrix(
                fit.design.matrix, names, folder / f"design{number}.svg", rows=rows
            ),
            f"Design matrix: {inputs}.",
            f"Design matrix as a gray image: {inputs}, and the columns {', '.join(names)}.",
        )
