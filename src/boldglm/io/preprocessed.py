"""Preprocessed runs in the derivatives of fMRIPrep and its relatives.

Only the folders of the participants asked for are listed, by file name; a series is matched with
its mask by all entities, and with its confounds table by those of the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boldglm.errors import (
    BadDataError,
    InvalidDatasetError,
    MissingInputError,
    NothingSelectedError,
    nearest,
)
from boldglm.io.runs import RUN_KEYS, entities_of
from boldglm.io.sidecars import read_object, suffix_of

PIPELINES = ("fmriprep", "nibabies")  # what a folder of derivatives/ must be from to be taken
SPACE_KEYS = ("space", "cohort", "res")
VOLUMES = ("nii", "nii.gz")
OWN_SPACE = "func"  # what fMRIPrep calls the grid of the run itself


@dataclass(frozen=True)
class Derivative:
    """A derivative dataset: its name in BIDS URIs, its folder and the pipeline it is from."""

    name: str
    path: Path
    pipeline: str

    def uri(self, path: Path) -> str:
        """Return the BIDS URI of a file in it."""
        return f"bids:{self.name}:{path.relative_to(self.path).as_posix()}"

    @property
    def subjects(self) -> tuple[str, ...]:
        """Labels of its participants."""
        folders = (one for one in self.path.glob("sub-*") if one.is_dir())
        return tuple(sorted(one.name.removeprefix("sub-") for one in folders))


@dataclass(frozen=True)
class PreprocessedImage:
    """A preprocessed series with what belongs to it."""

    path: Path
    entities: dict[str, str]
    derivative: Derivative
    mask: Path | None
    confounds: Path | None

    @property
    def space(self) -> str:
        """Its space as fMRIPrep's --output-spaces writes it."""
        return space_label(self.entities)


@dataclass
class _Folder:
    """The files of one func folder by what they are."""

    series: list[Path] = field(default_factory=list)
    masks: dict[frozenset, Path] = field(default_factory=dict)
    confounds: dict[frozenset, Path] = field(default_factory=dict)


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


def find_derivatives(bids_dir: Path, given: Sequence[str] | None) -> tuple[Derivative, ...]:
    """Find the derivatives to fit: those given, or what fMRIPrep left in the dataset.

    Parameters
    ----------
    bids_dir : Path
        The raw dataset.
    given : sequence of str or None
        Folders, each perhaps as ``name=folder``; ``none`` for no derivatives; None to look for
        fMRIPrep's in ``derivatives/``.

    Returns
    -------
    tuple of Derivative
        Empty if the raw series are to be fitted.

    Raises
    ------
    MissingInputError, InvalidDatasetError
        If a folder is not there, or has no participants.
    NothingSelectedError
        If the dataset has several such derivatives and none was given, or a name is used twice.
    """
    if given is None:
        found = [one for one in _candidates(bids_dir / "derivatives") if _is_fmriprep(one)]
        if len(found) > 1:
            listed = ", ".join(str(one.relative_to(bids_dir)) for one in found)
            raise NothingSelectedError(
                f"{bids_dir} has several preprocessed derivatives: {listed}. Choose one with -d, "
                "or the raw series with -d none."
            )
        return tuple(_derivative(one.name, one) for one in found)
    if list(given) == ["none"]:
        return ()
    derivatives = tuple(_given(text) for text in given)
    names = [one.name for one in derivatives]
    for name in names:
        if name == "raw" or names.count(name) > 1:
            raise NothingSelectedError(
                f"-d: the name {name!r} is taken: give each its own as name=folder."
            )
    return derivatives


def find_images(
    derivatives: Sequence[Derivative], subjects: Sequence[str]
) -> list[PreprocessedImage]:
    """List the preprocessed series of some participants, or of all, in the order of their names.

    Raises
    ------
    MissingInputError
        If there is none at all, or none of a participant that was asked for.
    """
    images: list[PreprocessedImage] = []
    for derivative in derivatives:
        for subject in subjects or derivative.subjects:
            for folder in _func_folders(derivative.path / f"sub-{subject}"):
                images += _images(folder, derivative)
    images = _with_other_tables(images, derivatives)
    have = {image.entities["sub"] for image in images}
    without = [one for one in subjects if one not in have] or ([] if images else ["*"])
    if without:
        raise MissingInputError(_no_series(derivatives, without[0]))
    return sorted(images, key=lambda image: image.path.name)


def choose_space(
    images: Sequence[PreprocessedImage], asked: str | None
) -> tuple[list[PreprocessedImage], list[str]]:
    """Keep the series of one space; say which runs have none there.

    Parameters
    ----------
    images : sequence of PreprocessedImage
        At least one.
    asked : str or None
        Such as ``MNI152NLin2009cAsym`` or ``MNI152NLin2009cAsym:res-2``, or ``func`` for the
        grid of the run itself; None if there is only one.

    Raises
    ------
    NothingSelectedError
        If none or several fit; they are listed.
    """
    spaces = sorted({image.space for image in images})
    fitting = [space for space in spaces if asked is None or _fits(space, asked)]
    if len(fitting) != 1:
        found = "none" if not fitting else "several"
        hint = nearest(asked, spaces) if asked and not fitting else ""
        wanted = f"--space {asked}: " if asked else ""
        raise NothingSelectedError(
            f"{wanted}{found} of the spaces of the preprocessed series "
            f"{'fits' if asked else 'can be taken for granted'}.{hint} Choose one with --space: "
            f"{', '.join(fitting or spaces)}."
        )
    kept = [image for image in images if image.space == fitting[0]]
    have = {_run_of(image.entities) for image in kept}
    missing = {
        _run_of(image.entities): image.path.name
        for image in images
        if _run_of(image.entities) not in have
    }
    return kept, [
        f"{name} was left out: its run has no series in space {fitting[0]}"
        for name in missing.values()
    ]


def refuse_repeated(images: Sequence[PreprocessedImage]) -> None:
    """Refuse a run that several series claim to be."""
    seen: dict[frozenset, PreprocessedImage] = {}
    for image in images:
        first = seen.setdefault(_run_of(image.entities), image)
        if first is not image:
            raise NothingSelectedError(
                f"{first.path} and {image.path} are the same run preprocessed twice. Choose one "
                "of the derivatives with -d, or tell the series apart with --bids-filter-file."
            )


def _candidates(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [folder, *sorted(one for one in folder.iterdir() if one.is_dir())]


def _is_fmriprep(folder: Path) -> bool:
    names = [folder.name, _pipeline(folder)] if any(folder.glob("sub-*")) else []
    return any(name.lower().startswith(PIPELINES) for name in names)


def _given(text: str) -> Derivative:
    name, separator, folder = text.partition("=")
    path = Path(folder if separator else text)
    if not path.is_dir():
        raise MissingInputError(f"-d {text}: there is no folder {path}.")
    return _derivative(name if separator else path.resolve().name, path)


def _derivative(name: str, path: Path) -> Derivative:
    if not any(path.glob("sub-*")):
        inside = sorted(one.name for one in path.iterdir() if one.is_dir())
        raise InvalidDatasetError(
            f"{path} is no derivative dataset: it has no sub-* folders (it has: "
            f"{', '.join(inside[:10]) or 'none at all'}). Give the folder that holds them."
        )
    label = "".join(char if char.isalnum() else "-" for char in name).strip("-") or "derivative"
    path = path.resolve()
    return Derivative(label, path, _pipeline(path) or path.name)


def _pipeline(folder: Path) -> str:
    """Return name and version of what made a derivative dataset; empty if it does not say."""
    path = folder / "dataset_description.json"
    if not path.is_file():
        return ""
    content = read_object(path)
    made = content.get("GeneratedBy") or [content.get("PipelineDescription") or {}]
    first = made[0] if isinstance(made, list) and made and isinstance(made[0], dict) else {}
    return " ".join(str(first[key]) for key in ("Name", "Version") if first.get(key))


def _func_folders(subject: Path) -> Iterator[Path]:
    for folder in (subject, *sorted(subject.glob("ses-*"))):
        if (folder / "func").is_dir():
            yield folder / "func"


def _run_of(entities: Mapping[str, str]) -> frozenset:
    return frozenset((key, label) for key, label in entities.items() if key in RUN_KEYS)


def _grid_of(entities: Mapping[str, str]) -> frozenset:
    return frozenset((key, label) for key, label in entities.items() if key != "desc")


def _images(folder: Path, derivative: Derivative) -> list[PreprocessedImage]:
    files = _sorted_out(folder)
    images = []
    for path in files.series:
        entities = entities_of(path.name)
        entities.pop("desc", None)
        images.append(
            PreprocessedImage(
                path=path,
                entities=entities,
                derivative=derivative,
                mask=files.masks.get(_grid_of(entities)),
                confounds=files.confounds.get(_run_of(entities)),
            )
        )
    return images


def _sorted_out(folder: Path) -> _Folder:
    """Tell the files of a folder apart by suffix and desc, today's and those before 1.2."""
    files = _Folder()
    for name in sorted(path.name for path in folder.iterdir()):
        extension = name.partition(".")[2]
        entities = entities_of(name)
        kind = (suffix_of(name), entities.get("desc", ""))
        if extension in VOLUMES and kind in (("bold", "preproc"), ("preproc", "")):
            files.series.append(folder / name)
        elif extension in VOLUMES and kind in (("mask", "brain"), ("brainmask", "")):
            files.masks[_grid_of(entities)] = folder / name
        elif extension == "tsv" and kind in (
            ("timeseries", "confounds"),
            ("regressors", "confounds"),
            ("confounds", ""),
        ):
            _add_table(files, _run_of(entities), folder / name)
    return files


def _add_table(files: _Folder, run: frozenset, path: Path) -> None:
    if run in files.confounds:
        raise BadDataError(
            f"{path.parent} has two confounds tables of one run: {files.confounds[run].name} and "
            f"{path.name}. Keep one."
        )
    files.confounds[run] = path


def _with_other_tables(
    images: Sequence[PreprocessedImage], derivatives: Sequence[Derivative]
) -> list[PreprocessedImage]:
    """Take the confounds table of another derivative where a series has none of its own."""
    completed = []
    for image in images:
        table = image.confounds
        for derivative in derivatives:
            folder = derivative.path / image.path.parent.relative_to(image.derivative.path)
            if table is None and folder.is_dir():
                table = _sorted_out(folder).confounds.get(_run_of(image.entities))
        completed.append(
            PreprocessedImage(image.path, image.entities, image.derivative, image.mask, table)
        )
    return completed


def _no_series(derivatives: Sequence[Derivative], subject: str) -> str:
    names = [
        path.name
        for one in derivatives
        for top in one.path.glob(f"sub-{subject}")
        for folder in _func_folders(top)
        for path in sorted(folder.iterdir())
    ]
    surfaces = [name for name in names if name.endswith((".func.gii", ".dtseries.nii"))]
    whom = "" if subject == "*" else f" of sub-{subject}"
    text = (
        f"{', '.join(str(one.path) for one in derivatives)} has no preprocessed volumes{whom} "
        "(*_desc-preproc_bold.nii.gz)"
    )
    if surfaces:
        text += (
            f", only surfaces such as {surfaces[0]}, which this version does not fit. Run "
            "fMRIPrep with a volume in --output-spaces"
        )
    elif names:
        text += (
            f", but other files such as {names[0]}. fMRIPrep writes none with --level minimal or "
            "resampling: run it again with --level full"
        )
    return text + ". To fit the raw series, give -d none."


def _fits(space: str, asked: str) -> bool:
    name, *rest = space.split(":")
    wanted, *details = asked.split(":")
    return name == wanted and set(details) <= set(rest)
