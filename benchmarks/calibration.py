"""False positive rates on data without any effect, for boldglm's noise models and nilearn's.

Simulated noise is white, autoregressive, a mixture that differs between voxels, drifting,
oscillating, or has the several time scales of fast sampling. With `--data`, real runs get random
events. Each type of noise has two random designs, with a block and an event contrast and two-sided
t tests. The rates should equal the levels (.05 and .001), also in the fifths of voxels with the
lowest and the highest autocorrelation.

    python benchmarks/calibration.py                 all types; writes results/calibration.json
                                                     and docs/calibration.md
    python benchmarks/calibration.py --page          docs/calibration.md from the stored results
    python benchmarks/calibration.py --seeds 5 6     other designs and noise, printed only

The seeds of the table were not used while the noise models were developed.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as t_distribution
from threadpoolctl import threadpool_limits

from boldglm.glm import build_design, cosine_drift, fit
from boldglm.glm.noise.ar_process import simulate

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "calibration.json"
TABLE = HERE.parent / "docs" / "calibration.md"
SEEDS = (20261121, 31415)
N_VOXELS = 30_000
LEVELS = (0.05, 0.001)
MODELS = ("ols", "ar1", "ar4", "arma11", "auto")
REAL_DRAWS = 20


@dataclass(frozen=True)
class Rates:
    """False positive rates of one contrast: of all voxels, of the lowest and highest fifth."""

    kind: str
    seed: int
    model: str
    contrast: str
    rates: dict[str, list[float]]
    median_dof: float


# --- noise


def autoregressive(rho, n_scans, rng):
    """Return AR(1) noise of variance 1, one coefficient for each voxel."""
    return simulate(rho[np.newaxis], n_scans, rng) * np.sqrt(1 - rho**2)


def with_white(share, rho, n_scans, rng):
    """Return AR(1) noise with that share of the variance, the rest white."""
    white = rng.standard_normal((n_scans, share.size))
    slow = autoregressive(np.full(share.size, rho), n_scans, rng)
    return np.sqrt(share) * slow + np.sqrt(1 - share) * white


def second_order(first, second, n, n_scans, rng):
    """Return AR(2) noise of variance 1 at n voxels."""
    series = simulate(np.repeat([[first], [second]], n, axis=1), n_scans, rng)
    return series / series.std()


def many_scales(strength, n_scans, rng):
    """Return fast sampled noise: slow and quick AR(1), breathing at .3 Hz, white."""
    n = strength.size
    turn = 2 * np.pi * 0.3 * 0.8
    breathing = second_order(2 * 0.97 * np.cos(turn), -(0.97**2), n, n_scans, rng)
    slow = strength * autoregressive(np.full(n, 0.95), n_scans, rng)
    quick = autoregressive(np.full(n, 0.5), n_scans, rng)
    return slow + quick + 0.5 * strength * breathing + rng.standard_normal((n_scans, n))


def same(value):
    """Return a function that gives every voxel AR(1) noise of this coefficient."""

    def noise(n_scans, n, rng):
        rho = np.full(n, value)
        return autoregressive(rho, n_scans, rng), rho

    return noise


def mixed_ar1(n_scans, n, rng):
    """Return AR(1) noise whose coefficient is between 0 and .6."""
    rho = rng.uniform(0, 0.6, n)
    return autoregressive(rho, n_scans, rng), rho


def half_white(n_scans, n, rng):
    """Return AR(1) + white noise, half of the variance each, at all voxels."""
    share = np.full(n, 0.5)
    return with_white(share, 0.85, n_scans, rng), 0.85 * share


def mixed_white(n_scans, n, rng):
    """Return AR(1) + white noise in every proportion."""
    share = rng.uniform(0, 1, n)
    return with_white(share, 0.85, n_scans, rng), 0.85 * share


def two_tissues(n_scans, n, rng):
    """Return white noise in one half of the voxels and AR(1) + white in the other."""
    share = np.where(np.arange(n) < n // 2, 0.0, 0.5)
    return with_white(share, 0.85, n_scans, rng), 0.85 * share


def drifting(n_scans, n, rng):
    """Return AR(2) noise and a random walk that differs in size between voxels."""
    size = rng.uniform(0, 0.1, n)
    walk = np.cumsum(rng.standard_normal((n_scans, n)), axis=0)
    return second_order(0.4, 0.2, n, n_scans, rng) + size * walk, size


def oscillating(n_scans, n, rng):
    """Return AR(2) noise with a period of about six scans."""
    return second_order(0.5, -0.3, n, n_scans, rng), np.zeros(n)


def fast(n_scans, n, rng):
    """Return the noise of fast sampling, the same everywhere."""
    strength = np.ones(n)
    return many_scales(strength, n_scans, rng), strength


def fast_mixed(n_scans, n, rng):
    """Return the noise of fast sampling, slow parts of every strength."""
    strength = rng.uniform(0.3, 1.7, n)
    return many_scales(strength, n_scans, rng), strength


# name: (noise, scans, repetition time in seconds)
KINDS = {
    "white": (same(0.0), 200, 2.0),
    "AR(1) .2": (same(0.2), 200, 2.0),
    "AR(1) .4": (same(0.4), 200, 2.0),
    "AR(1) .6": (same(0.6), 200, 2.0),
    "AR(1) 0 to .6": (mixed_ar1, 200, 2.0),
    "AR(1) + white": (half_white, 200, 2.0),
    "AR(1) + white, all proportions": (mixed_white, 200, 2.0),
    "half white, half AR(1) + white": (two_tissues, 200, 2.0),
    "AR(2) + drift": (drifting, 200, 2.0),
    "oscillating AR(2)": (oscillating, 200, 2.0),
    "AR(1) .4, TR .8 s": (same(0.4), 600, 0.8),
    "multi-band, TR .8 s": (fast, 600, 0.8),
    "multi-band, TR .8 s, mixed": (fast_mixed, 600, 0.8),
}


# --- designs


def null_events(duration, rng):
    """Return events of no meaning: blocks of 20 s, and three types at random times."""
    onsets = np.arange(20.0 + rng.uniform(-10, 10), duration - 20, 40)
    events = [(onset, 20.0, "block") for onset in onsets]
    for name in ("a", "b", "c"):
        times = np.sort(rng.uniform(0, duration - 2, int(duration / 20)))
        events += [(onset, 0.0, name) for onset in times]
    columns = zip(*sorted(events), strict=True)
    return dict(zip(("onset", "duration", "trial_type"), map(list, columns), strict=True))


def null_design(n_scans, repetition_time, rng, n_regressors=30):
    """Return a design of 30 columns: events with derivatives, drift, motion-like, a constant."""
    times = np.arange(n_scans) * repetition_time
    events = null_events(n_scans * repetition_time, rng)
    design = build_design(events, times, hrf_model="spm + derivative", high_pass=128.0)
    walk = np.cumsum(rng.standard_normal((n_scans, 6)), axis=0)
    motion = np.column_stack([walk, np.diff(walk, axis=0, prepend=walk[:1])])
    n_more = max(n_regressors - design.matrix.shape[1] - 12, 0)
    more = simulate(np.full((1, n_more), 0.5), n_scans, rng)
    X = np.column_stack([design.matrix, motion, more])
    names = list(design.names)
    contrasts = {"block": names.index("block"), "event": names.index("a")}
    return X / np.linalg.norm(X, axis=0), contrasts


# --- tests


def t_and_dof(model, bold, X, columns):
    """Yield t and degrees of freedom of each contrast, by boldglm or by nilearn."""
    if model.startswith("nilearn"):
        yield from nilearn_t(bold, X, columns)
        return
    found = fit(bold, X, noise=model)
    for column in columns:
        tested = found.contrast(np.eye(X.shape[1])[column])
        yield tested.t, tested.dof


def nilearn_t(bold, X, columns):
    """Yield the same from nilearn's AR(1)."""
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import run_glm

    labels, results = run_glm(bold, X, noise_model="ar1")
    for column in columns:
        tested = compute_contrast(labels, results, np.eye(X.shape[1])[column])
        yield tested.stat(), tested.dof


def rates_of(t, dof, truth):
    """Return rates at each level, of all voxels and of the extreme fifths."""
    p = 2 * t_distribution.sf(abs(t), dof)
    groups = {"all": np.ones(p.size, dtype=bool)}
    if np.ptp(truth) > 0:
        low, high = np.quantile(truth, [0.2, 0.8])
        groups |= {"lowest fifth": truth <= low, "highest fifth": truth >= high}
    return {name: [float((p[some] < a).mean()) for a in LEVELS] for name, some in groups.items()}


def simulated_rates(kind, seed, models):
    """Return the rates of all models on one simulated dataset."""
    noise, n_scans, repetition_time = KINDS[kind]
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    X, contrasts = null_design(n_scans, repetition_time, rng)
    bold, truth = noise(n_scans, N_VOXELS, rng)
    found = []
    for model in models:
        tested = t_and_dof(model, bold, X, contrasts.values())
        for contrast, (t, dof) in zip(contrasts, tested, strict=True):
            rates = rates_of(t, dof, truth)
            found.append(Rates(kind, seed, model, contrast, rates, float(np.median(dof))))
    return found


# --- real data with made-up events


def real_runs(folder):
    """Return name, masked series and repetition time of the real runs in a folder of datasets."""
    import nibabel as nib

    from boldglm.glm.spatial.brain_mask import compute_brain_mask

    files = {
        "studyforrest localizer": "studyforrest-localizer/bids/sub-01/func/"
        "sub-01_task-oneback_run-1_bold.nii.gz",
        "pyhrf localizer": "pyhrf-localizer/bids/sub-01/func/sub-01_task-localizer_bold.nii.gz",
        "haxby, one slice": "haxby-slices/bids-1slice/sub-01/func/"
        "sub-01_task-objectviewing_run-01_bold.nii.gz",
    }
    for name, file in files.items():
        if (folder / file).exists():
            image = nib.load(folder / file)
            data = np.asarray(image.dataobj)
            events = np.genfromtxt(
                str(folder / file).replace("_bold.nii.gz", "_events.tsv"),
                delimiter="\t", names=True, dtype=None, encoding="utf-8",
            )  # fmt: skip
            moving = data.std(axis=-1) > 0
            mask = compute_brain_mask(data.mean(axis=-1), moving)
            yield name, data[mask].T.astype(np.float64), float(image.header.get_zooms()[3]), events


def real_rates(folder, models, seed):
    """Return rates on real runs: what they really respond to is in the design as well."""
    found = []
    for name, bold, repetition_time, events in real_runs(folder):
        totals = {}
        rng = np.random.default_rng(seed)
        truth = lag_one(bold)
        for _ in range(REAL_DRAWS):
            X, contrasts = real_design(bold, repetition_time, events, rng)
            for model in models:
                tested = t_and_dof(model, bold, X, contrasts.values())
                for contrast, (t, dof) in zip(contrasts, tested, strict=True):
                    totals.setdefault((model, contrast), []).append(
                        (rates_of(t, dof, truth), float(np.median(dof)))
                    )
        for (model, contrast), draws in totals.items():
            rates = {
                group: np.mean([one[0][group] for one in draws], axis=0).tolist()
                for group in draws[0][0]
            }
            dof = float(np.median([one[1] for one in draws]))
            found.append(Rates(f"real: {name}", seed, model, contrast, rates, dof))
    return found


def lag_one(bold):
    """Return the autocorrelation at lag 1 of each voxel, less slow drift."""
    drift = cosine_drift(np.arange(len(bold)) * 2.0, 128.0)
    basis = np.linalg.qr(np.column_stack([drift, np.ones(len(bold))]))[0]
    e = bold - basis @ (basis.T @ bold)
    return (e[1:] * e[:-1]).sum(axis=0) / (e**2).sum(axis=0)


def real_design(bold, repetition_time, events, rng):
    """Return made-up blocks and events, beside the real ones, drift and a constant."""
    n_scans = len(bold)
    times = np.arange(n_scans) * repetition_time
    made_up = null_events(n_scans * repetition_time, rng)
    design = build_design(made_up, times, hrf_model="spm + derivative", high_pass=128.0)
    own = {name: events[name].tolist() for name in ("onset", "duration", "trial_type")}
    real = build_design(own, times, hrf_model="spm + derivative", high_pass=None)
    kept = [k for k, name in enumerate(real.names) if name != "constant"]
    X = np.column_stack([design.matrix, real.matrix[:, kept]])
    names = list(design.names)
    contrasts = {"block": names.index("block"), "event": names.index("a")}
    return X / np.linalg.norm(X, axis=0), contrasts


# --- table

CONTRASTS = {
    "block": "Blocks of 20 s, one every 40 s.",
    "event": "Brief events at random times, one of three types.",
}
NOISE_TYPES = (
    "## Types of noise",
    "",
    "Simulated runs have 200 volumes at a repetition time of 2 s, or 600 volumes at .8 s where "
    "the name says so. Their design has 30 regressors: events with time derivatives, cosine "
    "drift, six random walks like motion parameters and their differences, autoregressive "
    "regressors, and a constant.",
    "",
    "| name | noise |",
    "|---|---|",
    "| AR(1) .4 | first-order autoregression with this coefficient |",
    "| AR(1) 0 to .6 | a coefficient in this range at each voxel |",
    "| AR(1) + white | AR(1) .85 and white noise, half of the variance each |",
    "| AR(1) + white, all proportions | the same, in a different proportion at each voxel |",
    "| half white, half AR(1) + white | white in half of the voxels, as above in the others |",
    "| AR(2) + drift | AR(2) and a random walk whose size differs between voxels |",
    "| oscillating AR(2) | a period of about six volumes |",
    "| multi-band | slow and fast AR(1), breathing at .3 Hz, and white noise |",
    "| multi-band, mixed | the same, with slow parts of a different size at each voxel |",
    "| real | real runs with random events |",
)


def table(found):
    """Return the results as Markdown."""
    lines = [
        "# False positive rates",
        "",
        "How often each noise model finds an effect where there is none. A valid two-sided t test "
        "has a rate of .05 at the level .05, and of .001 at .001. `make calibration` (`python "
        "benchmarks/calibration.py`) renews this page.",
        "",
        "- Each cell has the rates at .05 and at .001.",
        f"- Standard errors are .0013 and .0002 for {N_VOXELS:,} voxels, .0028 and .0004 for a "
        "fifth of them.",
        "- *Lowest fifth* and *highest fifth* are the voxels with the weakest and the strongest "
        "autocorrelation.",
        "- Simulated noise has two rows of each, for two random designs (seeds "
        f"{' and '.join(map(str, SEEDS))}). These seeds were not used while the noise models were "
        "developed.",
        f"- Real runs contain random events beside their own, drawn {REAL_DRAWS} times. Their "
        "voxels are not independent, so their rates scatter more.",
        "- `nilearn ar1` is nilearn 0.14.",
        "",
    ]
    models = list(dict.fromkeys(one.model for one in found))
    lines += [*summary(found, models), "", *NOISE_TYPES, ""]
    for contrast, description in CONTRASTS.items():
        lines += [f"## {contrast.capitalize()} contrast", "", description, ""]
        lines += ["| noise | voxels | " + " | ".join(models) + " |"]
        lines += ["|---|---|" + "---|" * len(models)]
        keys = dict.fromkeys((one.kind, one.seed) for one in found if one.contrast == contrast)
        for kind, seed in keys:
            row = {
                one.model: one
                for one in found
                if (one.kind, one.seed, one.contrast) == (kind, seed, contrast)
            }
            for group in next(iter(row.values())).rates:
                cells = [f"{a:.3f} / {b:.4f}" for a, b in (row[m].rates[group] for m in models)]
                lines.append(f"| {kind} | {group} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def summary(found, models):
    """Return how many rates of each model are where they should be."""
    lines = [
        "## Summary",
        "",
        "Number of rates between .045 and .055 at .05, and between .0005 and .0015 at .001:",
        "",
        "| model | at .05 | at .001 | rates | lowest at .05 | highest at .05 |",
        "|---|---|---|---|---|---|",
    ]
    for model in models:
        rates = [pair for one in found if one.model == model for pair in one.rates.values()]
        at_05 = sum(0.045 <= pair[0] <= 0.055 for pair in rates)
        at_001 = sum(0.0005 <= pair[1] <= 0.0015 for pair in rates)
        low, high = min(pair[0] for pair in rates), max(pair[0] for pair in rates)
        lines.append(f"| `{model}` | {at_05} | {at_001} | {len(rates)} | {low:.3f} | {high:.3f} |")
    return lines


def stored_rates():
    """Return the rates of the result file."""
    return [Rates(**rates) for rates in json.loads(RESULTS.read_text())]


def main():
    """Measure the requested rates, print them, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="designs and noise")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), help="kinds of noise")
    parser.add_argument("--models", nargs="+", default=[*MODELS, "nilearn ar1"])
    parser.add_argument("--data", type=Path, help="folder of real datasets, for null runs of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--page", action="store_true", help="only write the page again")
    options = parser.parse_args()
    if options.page:
        TABLE.write_text(table(stored_rates()))
        return
    jobs = [(kind, seed) for kind in options.kinds for seed in options.seeds]
    found = []
    with ProcessPoolExecutor(options.jobs, initializer=threadpool_limits, initargs=(1,)) as pool:
        pending = [pool.submit(simulated_rates, *job, options.models) for job in jobs]
        if options.data:
            pending.append(pool.submit(real_rates, options.data, options.models, options.seeds[0]))
        for one in pending:
            found += one.result()
            print(".", end="", file=sys.stderr, flush=True)
    print(table(found))
    if tuple(options.seeds) == SEEDS and options.kinds == list(KINDS):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
        TABLE.write_text(table(found))


if __name__ == "__main__":
    main()
