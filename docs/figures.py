"""Draw the figures of the documents; run it to renew docs/figures.

Every figure carries its numbers in words, as the description in its file. A test compares these
with the numbers of today.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from boldglm.glm import Design, collinearity, fit, orthogonalize_design, textbook_hrf

mpl.use("svg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parent
FOLDER = DOCS / "figures"
RATES = DOCS.parent / "benchmarks" / "results" / "calibration.json"
BLUE, ORANGE, GREEN, GRAY = "#0072b2", "#d55e00", "#009e73", "#555555"  # Okabe and Ito
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "boldglm",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
MODELS = ("ols", "nilearn ar1", "ar1", "ar4", "arma11", "auto")


# --- correlated regressors


def overlapping_responses() -> dict[str, Any]:
    """Return regressors and estimates of docs/explanations/correlated_regressors.md."""
    scans = np.arange(15) * 2.0
    responses = [textbook_hrf(scans), textbook_hrf(scans - 2)]
    columns = np.column_stack([*(r - r.mean() for r in responses), np.ones(15)])
    both = Design(columns, ["A", "B", "constant"], scans, ["condition", "condition", "constant"])
    only_a = Design(columns[:, [0, 2]], ["A", "constant"], scans, ["condition", "constant"])
    after = orthogonalize_design(both, [("B", ["A"])])
    draw = np.random.RandomState(42)
    draw.normal(size=15)
    bold = draw.normal(size=(15, 10_000)) + (both.matrix @ [1, 1, 0])[:, np.newaxis]
    designs = {"A only": only_a, "A and B": both, "B orthogonalized to A": after}
    return {
        "scans": scans,
        "designs": designs,
        "estimates": {name: fit(bold, design, "ols").betas for name, design in designs.items()},
        "correlation": collinearity(both).correlations[0, 1],
    }


def describe_responses(data: dict[str, Any]) -> str:
    """Return the numbers of the figure in words."""
    models = "; ".join(
        f"{name}: A has mean {betas[0].mean():.2f} and standard deviation {betas[0].std():.2f}"
        for name, betas in data["estimates"].items()
    )
    return f"Two regressors with a correlation of {data['correlation']:.2f}. {models}."


def draw_responses(data: dict[str, Any]) -> None:
    """Draw both regressors, and estimates of A against those of B."""
    _, axes = plt.subplots(1, 3, figsize=(9, 2.9), layout="constrained")
    before, after = data["designs"]["A and B"], data["designs"]["B orthogonalized to A"]
    axes[0].plot(data["scans"], before.matrix[:, 0], color=BLUE, label="A")
    axes[0].plot(data["scans"], before.matrix[:, 1], color=ORANGE, label="B")
    axes[0].plot(data["scans"], after.matrix[:, 1], "--", color=GREEN, label="rest of B")
    axes[0].set(xlabel="seconds", ylabel="regressor", title="What A and B share")
    axes[0].legend(frameon=False)
    shown = slice(0, 300)
    for axis, name, color in (
        (axes[1], "A and B", ORANGE),
        (axes[2], "B orthogonalized to A", GREEN),
    ):
        a, b = data["estimates"][name][:2]
        axis.plot(a[shown], b[shown], ".", color=color, markersize=3)
        axis.plot(1, 1, "+", color="black", markersize=12, markeredgewidth=2)
        axis.plot(a.mean(), b.mean(), "x", color="black", markersize=9, markeredgewidth=2)
        axis.set(xlim=(-7, 8), ylim=(-7, 8), title=name, xlabel="estimate of A", aspect="equal")
    axes[1].set_ylabel("estimate of B")
    axes[1].text(-6.5, -6.5, "+ truth   × mean of the estimates", color=GRAY)


# --- noise models


def rates_of_noise_models() -> dict[str, list[float]]:
    """Return false positive rates at .05 by noise model, of all types of noise and voxels."""
    rows = json.loads(RATES.read_text(encoding="utf-8"))
    return {
        model: [rate[0] for row in rows if row["model"] == model for rate in row["rates"].values()]
        for model in MODELS
    }


def describe_rates(data: dict[str, list[float]]) -> str:
    """Return the numbers of the figure in words."""
    return "False positive rates at .05. " + "; ".join(
        f"{model}: {min(rates):.3f} to {max(rates):.3f}, "
        f"{sum(0.045 <= rate <= 0.055 for rate in rates)} of {len(rates)} between .045 and .055"
        for model, rates in data.items()
    )


def draw_rates(data: dict[str, list[float]]) -> None:
    """Draw one strip of rates for each noise model."""
    _, axis = plt.subplots(figsize=(8, 3), layout="constrained")
    axis.axvspan(0.045, 0.055, color="#dddddd", lw=0)
    axis.axvline(0.05, color=GRAY, lw=1)
    for row, (model, rates) in enumerate(data.items()):
        heights = row + 0.3 * np.sin(np.arange(len(rates)) * 2.4)  # spread, without chance
        color = GREEN if model == "auto" else BLUE
        axis.plot(rates, heights, "o", color=color, markersize=3.5, alpha=0.6, markeredgewidth=0)
    ticks = [0.02, 0.03, 0.05, 0.1, 0.2, 0.4]
    axis.set_xscale("log")
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_yticks(range(len(data)), list(data))
    axis.set_xlabel("share of voxels with p < .05 where there is no effect (should be .05)")


FIGURES: dict[str, tuple[Callable, Callable, Callable]] = {
    "correlated_regressors": (overlapping_responses, describe_responses, draw_responses),
    "noise_models": (rates_of_noise_models, describe_rates, draw_rates),
}


def draw_all(folder: Path) -> None:
    """Draw every figure into a folder."""
    folder.mkdir(exist_ok=True)
    for name, (compute, describe, draw) in FIGURES.items():
        data = compute()
        with plt.rc_context(STYLE):
            draw(data)
            description = {"Date": None, "Description": describe(data)}
            plt.savefig(folder / f"{name}.svg", metadata=description)
            plt.close()


if __name__ == "__main__":
    draw_all(FOLDER)
