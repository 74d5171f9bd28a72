"""Which BOLD runs there are and what belongs to them.

Asked once, before any graph is built. Only what was asked for is looked at: folders of other
participants, of other datatypes and of derivatives are passed over.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError, MissingInputError, NothingSelectedError
from boldglm.io.bids.derivative_datasets import Derivative, find_derivatives
from boldglm.io.bids.exclude_option import check_named, named_of
from boldglm.io.bids.excluded_runs import BadRuns, ExcludedRun
from boldglm.io.bids.layout import RawDataset, long_entities
from boldglm.io.bids.preprocessed import (
    PreprocessedImage,
    choose_series,
    find_images,
    refuse_repeated,
)
from boldglm.io.bids.selection import Selection, passes_filter, same_label
from boldglm.io.bids.sidecars import Sidecars
from boldglm.io.bids.survey import Survey
from boldglm.io.entities import (
    ACQUISITION_KEYS,
    NOT_OF_AN_ACQUISITION,
    comparable,
    entities_of,
    entities_stem,
    run_of,
)
from boldglm.io.images.meshes import find_meshes
from boldglm.notices import Notice, exclusion
from boldglm.suggestions import did_you_mean
from boldglm.vocabulary import BAD_RUN_POLICY

logger = logging.getLogger(__name__)
# How often volumes were acquired, and for how long; either of the first two is in a sidecar.
VOLUME_TIMING = ("RepetitionTime", "VolumeTiming")
DURATIONS = ("FrameAcquisitionDuration", "AcquisitionDuration", "DelayTime")
SELECTED_BY_OPTIONS = ("subject", "session", "task", "run")  # also in a filter file
REFERENCE = ("StartTime", "SliceTimingCorrected")


@dataclass(frozen=True)
class RunFiles:
    """A BOLD file, its metadata after inheritance, and its events (None if it has none)."""

    bold: Path
    events: Path | None
    metadata: dict[str, Any]
    entities: dict[str, str]
    sources: tuple[str, ...]
    mask: Path | None = None
    confounds: tuple[Path, ...] = ()
    meshes: tuple[Path, ...] = ()
    kind: str = ""  # the label of its desc, if it is preprocessed
    derivatives: str = ""  # the pipeline that preprocessed the run, and its folder


@dataclass(frozen=True)
class QueryResult:
    """The runs found, those excluded, and the derivatives that they come from.

    `notices` tell of images that are no runs, or not of the space that was chosen. `survey` has
    the runs of all participants that the same filters select.
    """

    runs: tuple[RunFiles, ...]
    notices: tuple[Notice, ...]
    dataset_name: str
    derivatives: tuple[Derivative, ...] = ()
    survey: Survey | None = field(default=None, compare=False)
    excluded: tuple[ExcludedRun, ...] = ()


@dataclass(frozen=True)
class _Image:
    """A series that may be a run: raw, or preprocessed with what belongs to it."""

    path: Path
    preprocessed: PreprocessedImage | None = None

    @property
    def entities(self) -> dict[str, str]:
        """Entities as outputs keep them."""
        return self.preprocessed.entities if self.preprocessed else entities_of(self.path.name)


def find_runs(
    bids_dir: Path,
    selection: Selection,
    derivatives: Sequence[str] | None = None,
    space: str | None = None,
    database: Path | None = None,
    needs_events: Callable[[RunFiles], bool] = lambda _: True,
    on_bad_run: str = BAD_RUN_POLICY,
    exclude: Sequence[ExcludedRun] = (),
    *,
    validate: bool = True,
) -> QueryResult:
    """Find every BOLD run that the selection asks for, with its events.

    Parameters
    ----------
    bids_dir : Path
        Root of a raw BIDS dataset.
    selection : Selection
        Which participants, sessions, tasks and runs.
    derivatives : sequence of str, optional
        Where preprocessed series are, as `find_derivatives` takes it; by default fMRIPrep's in
        the dataset, and the raw series if there are none. Events are always the dataset's.
    space : str, optional
        Space of the preprocessed series, such as ``MNI152NLin2009cAsym:res-2``.
    database : Path, optional
        Folder where the index of the raw dataset is kept between calls.
    needs_events : callable
        Tells whether a run must have an events file; by default every run must.
    on_bad_run : {"exclude", "stop"}
        What to do with a run whose sidecars or events contradict each other.
    exclude : sequence of ExcludedRun
        Participants and runs that the user excludes.
    validate : bool
        Whether the dataset must be described as BIDS requires, and raw series with names that
        BIDS does not have are excluded.

    Returns
    -------
    QueryResult
        Runs in the order of their file names. Sidecars and events are inherited as BIDS says.

    Raises
    ------
    InvalidDatasetError
        If the folder has no valid dataset_description.json.
    MissingInputError
        If there is no such folder, or no run has the events that it needs.
    NothingSelectedError
        If the dataset has no such participant, session, task or run, several spaces fit, or an
        acquisition has several images.
    """
    raw = RawDataset(bids_dir, selection.subjects, database, validate=validate)
    used = find_derivatives(bids_dir, derivatives)
    found = _preprocessed(used, selection) if used else [_Image(path) for path in raw.bold]
    roots = [one.path for one in used] or [bids_dir]
    excluded = [] if used or not validate else _unknown_names(raw, selection)
    chosen = _chosen(found, roots, selection, excluded)
    check_named(exclude, [bids_dir, *(one.path for one in used)])
    chosen, named = _without_named(chosen, exclude)
    excluded += named
    chosen, notices = _without_partial_images(chosen, selection)
    if used:
        chosen, elsewhere = _in_one_space(chosen, space)
        notices += elsewhere
        excluded += _without_series(bids_dir, used, selection, found)
    elif space is not None:
        raise NothingSelectedError(
            f"--space {space} selects preprocessed data, but {bids_dir / 'derivatives'} has no "
            "output of fMRIPrep. Give its folder with -d."
        )
    _refuse_repeated_acquisitions(chosen)
    bad = BadRuns(on_bad_run)
    runs = _run_files(chosen, raw, used, bad)
    if not runs:
        raise bad.refusal()
    with_events = [run for run in runs if run.events is not None or not needs_events(run)]
    excluded += bad.excluded
    excluded += [
        ExcludedRun(run.entities, f"{run.bold.name} has no events file")
        for run in runs
        if run not in with_events
    ]
    if not with_events:
        raise MissingInputError(
            f"None of the {len(runs)} BOLD runs selected in {bids_dir} has an events file: add "
            f"{runs[0].bold.name.rsplit('_bold', 1)[0]}_events.tsv (columns onset, duration, "
            "trial_type) beside the run, or one for the whole task higher up in the dataset."
        )
    survey = Survey(bids_dir, used, lambda entities, path: _is_analyzed(entities, path, selection))
    return QueryResult(tuple(with_events), tuple(notices), raw.name, used, survey, tuple(excluded))


def _without_named(
    images: Sequence[_Image], exclude: Sequence[ExcludedRun]
) -> tuple[list[_Image], list[ExcludedRun]]:
    """Leave out what the user excludes; return too what that is of these images."""
    kept = []
    excluded: dict[str, ExcludedRun] = {}
    for image in images:
        named = named_of(image.entities, exclude)
        if named is None:
            kept.append(image)
            continue
        entities = named.entities if named.is_group else image.entities
        run = replace(named, entities=entities, n_runs=0)
        run = excluded.get(run.name, run)
        excluded[run.name] = replace(run, n_runs=run.n_runs + 1)
    if not kept:
        raise NothingSelectedError(
            f"--exclude leaves none of the {len(images)} BOLD series that are selected. Exclude "
            "less, or select more."
        )
    return kept, list(excluded.values())


def _refuse_repeated_acquisitions(images: Sequence[_Image]) -> None:
    """Refuse several images of one acquisition, which would count as several runs."""
    first: dict[frozenset[tuple[str, str]], _Image] = {}
    for image in images:
        entities = comparable(image.entities)
        # of a surface, both hemispheres are analyzed; echoes were chosen before
        same = frozenset(
            pair for pair in entities.items() if pair[0] in (*ACQUISITION_KEYS, "hemi")
        )
        other = first.setdefault(same, image)
        if other is image:
            continue
        differing = [
            key for key in NOT_OF_AN_ACQUISITION if entities.get(key) != other.entities.get(key)
        ]
        if differing:
            name = {"rec": "reconstruction", "ce": "ceagent"}[differing[0]]
            remedy = (
                "with --bids-filter-file, a file with "
                f'{{"bold": {{"{name}": "{other.entities.get(differing[0], "")}"}}}}'
            )
        else:
            remedy = "by moving or removing the other"
        raise NothingSelectedError(
            f"{other.path.name} and {image.path.name} are images of one acquisition, and would "
            f"count as two runs. Choose one {remedy}."
        )


def _preprocessed(used: Sequence[Derivative], selection: Selection) -> list[_Image]:
    have = sorted({label for one in used for label in one.subjects})
    for label in selection.subjects:
        if label not in have:
            raise NothingSelectedError(_no_participant(label, [one.path for one in used], have))
    return [_Image(image.path, image) for image in find_images(used, selection.subjects)]


def _in_one_space(
    images: Sequence[_Image], space: str | None
) -> tuple[list[_Image], list[Notice]]:
    series = [image.preprocessed for image in images if image.preprocessed]
    kept, notices = choose_series(series, space)
    refuse_repeated(kept)
    return [_Image(one.path, one) for one in kept], notices


def _without_series(
    bids_dir: Path, used: Sequence[Derivative], selection: Selection, found: Sequence[_Image]
) -> list[ExcludedRun]:
    """Say which participants of the dataset have no preprocessed series."""
    if selection.subjects:
        return []  # those asked for have one
    have = {image.entities["sub"] for image in found}
    every = {path.name[4:] for path in bids_dir.glob("sub-*") if path.is_dir()}
    return [
        ExcludedRun(
            {"sub": label},
            f"it has no preprocessed series in {used[0].path.name}",
            is_group=True,
        )
        for label in sorted(every - have)
    ]


def _chosen(
    found: list[_Image],
    roots: Sequence[Path],
    selection: Selection,
    unknown: Sequence[ExcludedRun],
) -> list[_Image]:
    """Return the images that the selection asks for; refuse a selection of none."""
    try:
        _check_labels(roots, selection, found)
        chosen = [image for image in found if _is_chosen(image.entities, image.path, selection)]
        if not chosen:
            raise NothingSelectedError(_nothing_left(roots[0], selection, found))
    except NothingSelectedError as error:
        if not unknown:
            raise
        raise NothingSelectedError(f"{error} Excluded: {unknown[0].notice}.") from error
    return chosen


def _unknown_names(raw: RawDataset, selection: Selection) -> list[ExcludedRun]:
    """Exclude raw series whose names BIDS does not have: pybids does not index them."""
    found = (
        ({"sub": path.relative_to(raw.root).parts[0].removeprefix("sub-")}
         | entities_of(path.name), path)
        for path in raw.unknown_names()
    )  # fmt: skip
    return [
        ExcludedRun(
            entities,
            f"BIDS has no file name such as {path.name}. Rename it, or pass "
            "--skip-bids-validation",
        )
        for entities, path in found
        if _is_chosen(entities, path, selection)
    ]


def _run_files(
    images: Sequence[_Image], raw: RawDataset, used: Sequence[Derivative], bad: BadRuns
) -> list[RunFiles]:
    """Put together what belongs to each series; sidecars of derivatives are listed once."""
    sidecars: dict[Path, Sidecars] = {}

    def preprocessed_metadata(series: PreprocessedImage) -> dict[str, Any]:
        root = series.derivative.path
        own = sidecars.setdefault(root, Sidecars(root)).of(series.path)
        if series.timed_as is None:
            return own
        origin = preprocessed_metadata(series.timed_as)
        inherited: tuple[str, ...] = (*DURATIONS, *REFERENCE)  # the same for denoised series
        if not any(key in own for key in VOLUME_TIMING):
            inherited += VOLUME_TIMING
        return {key: origin[key] for key in inherited if key in origin} | own

    return bad.passing(
        images,
        lambda image: image.entities,
        lambda image: _files_of_run(image, raw, used, preprocessed_metadata),
    )


def _files_of_run(
    image: _Image,
    raw: RawDataset,
    used: Sequence[Derivative],
    preprocessed_metadata: Callable[[PreprocessedImage], dict],
) -> RunFiles:
    found = raw.events_of(image.entities)
    series = image.preprocessed
    if series is not None and series.problem:
        raise BadDataError(series.problem)
    if series is None:
        metadata = raw.metadata(image.path)
        uris = [f"bids:raw:{image.path.relative_to(raw.root).as_posix()}"]
        extra: dict[str, Any] = {}
    else:
        metadata = preprocessed_metadata(series)
        metadata |= _raw_timing(raw, image.entities, metadata)
        parts = [series.path, *([series.mask] if series.mask else []), *series.confounds]
        uris = [_uri(path, used) for path in parts]
        extra = {
            "mask": series.mask,
            "confounds": series.confounds,
            "meshes": find_meshes(series.derivative.path, series.path, series.entities),
            "kind": series.kind,
            "derivatives": f"{series.derivative.pipeline} ({series.derivative.path})",
        }
    if found is not None:
        uris.append(f"bids:raw:{found.relative_to(raw.root).as_posix()}")
    return RunFiles(image.path, found, metadata, image.entities, tuple(uris), **extra)


def _uri(path: Path, used: Sequence[Derivative]) -> str:
    """Return the BIDS URI of a file in one of the derivatives, the innermost if they nest."""
    holding = [one for one in used if path.is_relative_to(one.path)]
    return max(holding, key=lambda one: len(one.path.parts)).uri(path)


def _raw_timing(
    raw: RawDataset, entities: dict[str, str], metadata: dict[str, Any]
) -> dict[str, Any]:
    """Return what the sidecar of a preprocessed series does not say about the time of volumes."""
    needed: list[str] = []
    if not any(key in metadata for key in VOLUME_TIMING):  # fMRIPrep has not always written it
        needed += VOLUME_TIMING
    if "StartTime" not in metadata:
        needed += [key for key in (*DURATIONS, "SliceTiming") if key not in metadata]
    series = raw.bold_of(entities) if needed else None
    of_raw = {} if series is None else raw.metadata(series)
    return {key: of_raw[key] for key in needed if key in of_raw}


def _without_partial_images(
    images: Sequence[_Image], selection: Selection
) -> tuple[list[_Image], list[Notice]]:
    """Leave out phase images and single echoes: a run is its (combined) magnitude image."""
    whole, notices = [], []
    for image in images:
        if image.entities.get("part", "mag") == "mag":
            whole.append(image)
        else:
            notices.append(exclusion(f"{image.path.name} is not a magnitude image"))
    if not whole:
        raise NothingSelectedError(f"No run is left: {'; '.join(map(str, notices[:3]))}.")
    if dict(selection.filters).get("echo") is not None:
        _check_one_echo(whole)
        return whole, notices
    whole, single = _without_echoes(whole)
    return whole, notices + single


def _without_echoes(images: Sequence[_Image]) -> tuple[list[_Image], list[Notice]]:
    """Leave out single echoes, and with them runs whose echoes nobody has combined."""
    kept = [image for image in images if "echo" not in image.entities]
    echoes = [image for image in images if "echo" in image.entities]
    if not kept:
        raise NothingSelectedError(
            f"All {len(echoes)} BOLD series selected are single echoes, such as "
            f"{echoes[0].path.name}, and boldglm does not combine echoes. Give the combined "
            "series with -d (fMRIPrep writes them), or choose one echo with --bids-filter-file, "
            'a file with {"bold": {"echo": 2}}.'
        )
    labels: dict[frozenset, list[str]] = {}
    for image in echoes:
        labels.setdefault(run_of(image.entities), []).append(image.entities["echo"])
    combined = {run_of(image.entities) for image in kept}
    notes: list[Notice] = []
    for run, own in labels.items():
        name, listed = entities_stem(dict(run)), ", ".join(dict.fromkeys(own))
        if run in combined:
            notes.append(
                exclusion(f"{name}: the single echoes ({listed}); their combination is analyzed")
            )
        else:
            notes.append(
                exclusion(
                    f"{name} has only single echoes ({listed}), and boldglm does not combine "
                    "echoes"
                )
            )
    return kept, notes


def _check_one_echo(images: Sequence[_Image]) -> None:
    """Refuse filters that ask for several echoes of one run."""
    first: dict[frozenset, _Image] = {}
    for image in images:
        without = frozenset(pair for pair in image.entities.items() if pair[0] != "echo")
        other = first.setdefault(without, image)
        if other is not image:
            raise NothingSelectedError(
                f"--bids-filter-file asks for several echoes of one run, {other.path.name} and "
                f"{image.path.name}, and boldglm does not combine echoes. Choose one."
            )
    chosen = ", ".join(sorted({image.entities["echo"] for image in images}))
    logger.info("Single echoes are fitted, as --bids-filter-file asks: echo %s", chosen)


def _is_analyzed(entities: dict[str, str], path: Path, selection: Selection) -> bool:
    """Return whether an analysis is about a series, whoever it is of, in any task and session."""
    filters = tuple(pair for pair in selection.filters if pair[0] not in SELECTED_BY_OPTIONS)
    about = Selection(filters=filters)
    return entities.get("part", "mag") == "mag" and _is_chosen(entities, path, about)


def _is_chosen(entities: dict[str, str], path: Path, selection: Selection) -> bool:
    asked = {"ses": selection.sessions, "task": selection.tasks, "run": selection.runs}
    for key, labels in asked.items():
        if labels and not any(same_label(entities.get(key), label) for label in labels):
            return False
    if not selection.filters:
        return True
    long = long_entities(path)
    return all(passes_filter(long, key, value) for key, value in selection.filters)


def _no_participant(label: str, roots: Sequence[Path], have: Sequence[str]) -> str:
    places = " and ".join(str(root) for root in roots)
    return (
        f"{places} has no participant {label!r}.{did_you_mean(label, have)} "
        f"It has: {_shortened(have)}."
    )


def _check_labels(roots: Sequence[Path], selection: Selection, images: list[_Image]) -> None:
    """Refuse a label that the dataset does not have, with the did_you_mean one it has."""
    all_entities = [image.entities for image in images]
    folders = [path for root in roots for path in root.glob("sub-*") if path.is_dir()]
    on_disk = sorted({path.name[4:] for path in folders})
    for label in selection.subjects:
        if label not in on_disk:
            raise NothingSelectedError(_no_participant(label, roots, on_disk))
    asked = (
        ("session", "ses", selection.sessions),
        ("task", "task", selection.tasks),
        ("run", "run", selection.runs),
    )
    for word, key, labels in asked:
        have = sorted({entities[key] for entities in all_entities if key in entities})
        for label in labels:
            if not any(same_label(one, label) for one in have):
                raise NothingSelectedError(
                    f"No BOLD run in {roots[0]} has {word} {label!r}.{did_you_mean(label, have)} "
                    f"Found: {_shortened(have)}."
                )


def _nothing_left(bids_dir: Path, selection: Selection, images: Sequence[_Image]) -> str:
    if not images:
        return (
            f"{bids_dir} has no BOLD run (sub-*/func/*_bold.nii.gz) for the participants asked "
            "for. Is it the root of the dataset, and are the file names valid BIDS?"
        )
    filters = {key: value for key, value in vars(selection).items() if value}
    return (
        f"The filters select none of the {len(images)} BOLD runs in {bids_dir}: {filters}. Found "
        f"for example {images[0].path.name}. Drop or change a filter."
    )


def _shortened(names: Sequence[str], most: int = 20) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
