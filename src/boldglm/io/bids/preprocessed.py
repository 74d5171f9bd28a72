"""Preprocessed runs in the derivatives of fMRIPrep and its relatives.

Only the folders of the participants asked for are listed, by file name; a series is matched with
its mask by all entities, and with its confounds tables by those of the run.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from boldglm.errors import MissingInputError, NothingSelectedError
from boldglm.io.bids.derivative_datasets import Derivative
from boldglm.io.bids.sidecars import suffix_of
from boldglm.io.entities import RUN_KEYS, entities_of, run_of
from boldglm.notices import Notice, exclusion
from boldglm.suggestions import did_you_mean

SPACE_KEYS = ("space", "cohort", "res", "den")
VOLUMES = ("nii", "nii.gz")
SURFACES = ("func.gii", "dtseries.nii")  # fMRIPrep writes them without desc
OWN_SPACE = "func"  # what fMRIPrep calls the grid of the run itself
PREPROCESSED = "preproc"  # the kind of series (its desc) that is taken where there are several
_KIND_KEYS = ("desc", "variant")  # the second until fMRIPrep 1.1
_NOT_OF_MASKS = (*_KIND_KEYS, "echo")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreprocessedImage:
    """A preprocessed series with what belongs to it, perhaps from another of the derivatives.

    `kind` is the label of its `desc`; `confounds` are the tables of its run, one for each
    `desc` that tables have; `timed_as` is the preprocessed series of its run if it is another,
    whose metadata it may not repeat.
    """

    path: Path
    entities: dict[str, str]
    kind: str
    derivative: Derivative
    mask: Path | None
    confounds: tuple[Path, ...]
    timed_as: "PreprocessedImage | None" = None
    problem: str = ""  # why its files contradict each other

    @property
    def space(self) -> str:
        """Its space as fMRIPrep's --output-spaces writes it."""
        return space_label(self.entities)


@dataclass
class _Folder:
    """The files of one func folder by what they are."""

    series: list[Path] = field(default_factory=list)
    masks: dict[frozenset, Path] = field(default_factory=dict)
    tables: dict[frozenset, dict[str, Path]] = field(default_factory=dict)  # by run, by desc
    problems: dict[frozenset, str] = field(default_factory=dict)  # by run


def space_label(entities: Mapping[str, str]) -> str:
    """Name a space with what tells it apart, as fMRIPrep's command line does.

    Examples
    --------
    >>> space_label({"sub": "01", "space": "MNI152NLin2009cAsym", "res": "2"})
    'MNI152NLin2009cAsym:res-2'
    >>> space_label({"sub": "01"})
    'func'
    """
    rest = [f"{key}-{entities[key]}" for key in SPACE_KEYS[1:] if key in entities]
    return ":".join([entities.get("space", OWN_SPACE), *rest])


def find_images(
    derivatives: Sequence[Derivative], subjects: Sequence[str]
) -> list[PreprocessedImage]:
    """List the preprocessed series of some participants, or of all, in the order of their names.

    Raises
    ------
    MissingInputError
        If there is none at all, or none of a participant that was asked for.
    """
    folders: dict[Path, _Folder] = {}
    images: list[PreprocessedImage] = []
    for derivative in derivatives:
        for subject in subjects or derivative.subjects:
            for folder in _func_folders(derivative.path / f"sub-{subject}"):
                folders[folder] = _sorted_out(folder, subject)
                images += _images(folders[folder], derivative)
    origins = {run_of(image.entities): image for image in images if image.kind == PREPROCESSED}
    images = [_completed(image, derivatives, folders, origins) for image in images]
    have = {image.entities["sub"] for image in images}
    without = [one for one in subjects if one not in have] or ([] if images else ["*"])
    if without:
        raise MissingInputError(_no_series(derivatives, without[0]))
    return sorted(images, key=lambda image: image.path.name)


def choose_series(
    images: Sequence[PreprocessedImage], asked: str | None
) -> tuple[list[PreprocessedImage], list[Notice]]:
    """Keep the series of one space and kind; say which runs have none such.

    Parameters
    ----------
    images : sequence of PreprocessedImage
        At least one.
    asked : str or None
        Space, such as ``MNI152NLin2009cAsym`` or ``MNI152NLin2009cAsym:res-2``, or ``func`` for
        the grid of the run itself; None if there is only one.

    Raises
    ------
    NothingSelectedError
        If no space or several fit, or if there are several kinds (``desc``) of series but none
        called ``preproc``; they are listed.
    """
    fitting = [image for image in images if asked is None or fits_space(image.space, asked)]
    if not fitting:
        spaces = sorted({image.space for image in images})
        raise NothingSelectedError(
            f"--space {asked}: the preprocessed data have no such space."
            f"{did_you_mean(asked or '', spaces)} Choose one with --space: {', '.join(spaces)}."
        )
    kept = _of_one_kind(fitting)
    spaces = sorted({image.space for image in kept})
    if len(spaces) > 1:
        found = f"--space {asked} fits" if asked else "The preprocessed data have"
        raise NothingSelectedError(
            f"{found} {len(spaces)} spaces: {', '.join(spaces)}. Choose one with --space, for "
            f"example --space {spaces[0]}."
        )
    have = {run_of(image.entities) for image in kept}
    missing = {
        run_of(image.entities): image.path.name
        for image in images
        if run_of(image.entities) not in have
    }
    return kept, [
        exclusion(f"{name}: its run has no desc-{kept[0].kind} series in space {spaces[0]}")
        for name in missing.values()
    ]


def _of_one_kind(images: Sequence[PreprocessedImage]) -> list[PreprocessedImage]:
    """Take the preprocessed series, or those denoised in addition where there are no others."""
    kinds = sorted({image.kind for image in images})
    kind = PREPROCESSED if PREPROCESSED in kinds else kinds[0]
    if kind != PREPROCESSED and len(kinds) > 1:
        raise NothingSelectedError(
            f"There are several kinds of preprocessed series: {', '.join(kinds)}. Choose one with "
            f'--bids-filter-file, a file with {{"bold": {{"desc": "{kind}"}}}}.'
        )
    if len(kinds) > 1 or kind != PREPROCESSED:
        unused = ", ".join(f"desc-{label}" for label in kinds if label != kind) or "none"
        logger.info("Using the series desc-%s (not used: %s)", kind, unused)
    return [image for image in images if image.kind == kind]


def refuse_repeated(images: Sequence[PreprocessedImage]) -> None:
    """Refuse a run that several series claim to be."""
    seen: dict[frozenset, PreprocessedImage] = {}
    for image in images:
        side = {("hemi", image.entities.get("hemi", ""))}  # of a surface, which has two files
        first = seen.setdefault(run_of(image.entities) | side, image)
        if first is not image:
            raise NothingSelectedError(
                f"{first.path} and {image.path} are the same run preprocessed twice. Choose one "
                "of the derivatives with -d, or tell the series apart with --bids-filter-file."
            )


def _func_folders(subject: Path) -> Iterator[Path]:
    for folder in (subject, *sorted(subject.glob("ses-*"))):
        if (folder / "func").is_dir():
            yield folder / "func"


def _grid_of(entities: Mapping[str, str]) -> frozenset:
    return frozenset((key, label) for key, label in entities.items() if key not in _NOT_OF_MASKS)


def _images(files: _Folder, derivative: Derivative) -> list[PreprocessedImage]:
    images = []
    for path in files.series:
        entities = entities_of(path.name)
        kinds = [entities.pop(key) for key in _KIND_KEYS if key in entities]
        images.append(
            PreprocessedImage(
                path=path,
                entities=entities,
                kind=kinds[0] if kinds else PREPROCESSED,
                derivative=derivative,
                mask=files.masks.get(_grid_of(entities)),
                confounds=tuple(files.tables.get(run_of(entities), {}).values()),
                problem=files.problems.get(run_of(entities), ""),
            )
        )
    return images


def _sorted_out(folder: Path, subject: str) -> _Folder:
    """Tell the files of a folder apart by suffix and desc, today's and those before 1.2."""
    files = _Folder()
    for name in sorted(path.name for path in folder.iterdir()):
        extension = name.partition(".")[2]
        entities = entities_of(name)
        if entities.get("sub") != subject or "task" not in entities:
            continue  # a name that says nothing of whose run it is
        suffix, desc = suffix_of(name), entities.get("desc", "")
        is_volume = extension in VOLUMES and ((suffix == "bold" and desc) or suffix == "preproc")
        if is_volume or (extension in SURFACES and suffix == "bold"):
            files.series.append(folder / name)
        elif extension in VOLUMES and (suffix, desc) in (("mask", "brain"), ("brainmask", "")):
            files.masks[_grid_of(entities)] = folder / name
        elif extension in ("tsv", "tsv.gz") and _is_table(suffix, entities):
            _add_table(files, run_of(entities), desc or "confounds", folder / name)
    return files


def _is_table(suffix: str, entities: Mapping[str, str]) -> bool:
    """Say whether a file has a row for each volume of a run, whatever the tool is called."""
    of_a_run = entities.keys() <= {*RUN_KEYS, "desc"}
    if suffix == "timeseries":
        return of_a_run and "desc" in entities
    return of_a_run and (suffix, entities.get("desc", "")) in (
        ("regressors", "confounds"),
        ("confounds", ""),
    )


def _add_table(files: _Folder, run: frozenset, desc: str, path: Path) -> None:
    tables = files.tables.setdefault(run, {})
    if desc in tables:
        files.problems[run] = (
            f"{path.parent} has two {desc} tables of one run: {tables[desc].name} and "
            f"{path.name}. Keep one."
        )
    tables[desc] = path


def _completed(
    image: PreprocessedImage,
    derivatives: Sequence[Derivative],
    folders: Mapping[Path, _Folder],
    origins: Mapping[frozenset, PreprocessedImage],
) -> PreprocessedImage:
    """Add tables, and the mask, that other derivatives have of a run where its own lacks them."""
    place = image.path.parent.relative_to(image.derivative.path)
    run, mask = run_of(image.entities), image.mask
    tables = {entities_of(path.name).get("desc", "confounds"): path for path in image.confounds}
    for derivative in derivatives:
        files = folders.get(derivative.path / place, _Folder())
        mask = mask or files.masks.get(_grid_of(image.entities))
        tables = {**files.tables.get(run, {}), **tables}
    ordered = sorted(tables.items(), key=lambda pair: (pair[0] != "confounds", pair[0]))
    return replace(
        image,
        mask=mask,
        confounds=tuple(path for _, path in ordered),
        timed_as=None if image.kind == PREPROCESSED else origins.get(run),
    )


def _no_series(derivatives: Sequence[Derivative], subject: str) -> str:
    names = [
        path.name
        for one in derivatives
        for top in one.path.glob(f"sub-{subject}")
        for folder in _func_folders(top)
        for path in sorted(folder.iterdir())
    ]
    whom = "" if subject == "*" else f" of sub-{subject}"
    text = (
        f"{', '.join(str(one.path) for one in derivatives)} has no preprocessed series{whom} "
        "(*_desc-preproc_bold.nii.gz, *_bold.func.gii or *_bold.dtseries.nii)"
    )
    if names:
        text += (
            f", but other files such as {names[0]}. fMRIPrep writes none with --level minimal or "
            "resampling: run it again with --level full"
        )
    return text + ". To fit the raw series, give -d none."


def fits_space(space: str, asked: str) -> bool:
    name, *rest = space.split(":")
    wanted, *details = asked.split(":")
    return name == wanted and set(details) <= set(rest)
