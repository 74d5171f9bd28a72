"""Maps of a group in a folder that NeuroVault takes: images, and what its forms ask for.

NeuroVault's names of fields and of kinds of maps are those of its public source code.
"""

import csv
import io
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boldglm.errors import BadDataError, UsageError
from boldglm.io.files.atomic import temporary_name
from boldglm.io.files.checksums import is_unchanged
from boldglm.io.files.json_files import json_bytes, load_json
from boldglm.io.outputs.names import STATISTICS, ResultPaths
from boldglm.io.outputs.records import ContrastMaps, Record
from boldglm.notices import Notice, exclusion, warning

NIFTI = ".nii.gz"
# By the label of the map: how the upload names its kind, and how the table of metadata does.
MAP_TYPES = {
    "effect": ("U", "univariate-beta map"),
    "variance": ("V", "variance"),
    "t": ("T", "T map"),
    "F": ("F", "F map"),
    "z": ("Z", "Z map"),
}
GROUP = ("G", "group")
MODALITY = "fMRI-BOLD"
TEMPLATE = "GenericMNI"
LONGEST_DEFINITION = 200  # characters
# What only the authors know, or nobody has measured.
LEFT_EMPTY = {
    "cognitive_paradigm_cogatlas": "the task in the Cognitive Atlas; NeuroVault asks for it",
    "cognitive_contrast_cogatlas": "the contrast in the Cognitive Atlas",
    "cognitive_paradigm_description_url": "a page that describes the task",
    "smoothness_fwhm": "smoothness of the noise, which is not estimated for groups",
    "figure": "the figure of the paper that shows the map",
}
COLUMNS = (
    *("Filename", "name", "description", "map_type", "analysis_level", "number_of_subjects"),
    *("modality", "contrast_definition", "statistic_parameters", *LEFT_EMPTY),
)


@dataclass(frozen=True)
class ExportedImage:
    """A map to export.

    Parameters
    ----------
    source : Path
        The map in the output folder.
    label : str
        Label of the statistic, such as ``"t"``.
    fields : dict
        What the upload asks for, by the names of its fields; ``file`` is the name of the copy.
    """

    source: Path
    label: str
    fields: dict[str, Any]


def images_to_export(
    records: Sequence[Record], labels: Collection[str], root: Path
) -> tuple[list[ExportedImage], list[Notice]]:
    """Describe the maps of a group for NeuroVault.

    Parameters
    ----------
    records : sequence of Record
        Results of the dataset level.
    labels : collection of str
        Kinds of maps, of `MAP_TYPES`.
    root : Path
        Output folder.

    Returns
    -------
    images : list of ExportedImage
        In the order of the records and of their contrasts.
    notices : list of Notice
        What NeuroVault does not take, or may not.

    Raises
    ------
    BadDataError
        If a map is not as it was written.
    """
    images: list[ExportedImage] = []
    notices: list[Notice] = []
    for record in records:
        if not record.result.mask.name.endswith(NIFTI):
            notices.append(
                exclusion(
                    f"node {record.node}: maps on surfaces and CIFTI are not exported, because "
                    "NeuroVault takes volumes"
                )
            )
            continue
        found = [
            _image(record, contrast, label, root)
            for contrast in record.result.contrasts
            for label in MAP_TYPES
            if label in labels and label in contrast.maps
        ]
        for image in found:
            _check(record, image.source)
        if found and not _is_mni(record):
            space = record.entities.get("space", "that of the BOLD series")
            notices.append(
                warning(
                    f"node {record.node}: its space is {space}, and NeuroVault takes maps in MNI "
                    "space. Analyze series in a space such as MNI152NLin2009cAsym (--space), or "
                    "choose the template of these on the website"
                )
            )
        images += found
    return images, list(dict.fromkeys(notices))


def write_export(folder: Path, images: Sequence[ExportedImage], methods: str) -> None:
    """Write the folder, whole or not at all.

    Parameters
    ----------
    folder : Path
        It must not exist, or be empty.
    images : sequence of ExportedImage
        What to copy and to describe.
    methods : str
        Methods section as Markdown, for the description of the collection.

    Raises
    ------
    UsageError
        If there is something in the folder already.
    OSError
        If it cannot be written.
    """
    if folder.is_symlink() or (folder.exists() and not _is_empty(folder)):
        raise UsageError(
            f"{folder} is not an empty folder, and an export replaces nothing. Name another "
            "folder, or remove this one."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = temporary_name(folder)
    made.mkdir()
    try:
        for image in images:
            shutil.copyfile(image.source, made / image.fields["file"])
        (made / "metadata.csv").write_text(_table(images), encoding="utf-8")
        (made / "images.json").write_bytes(json_bytes([image.fields for image in images]))
        (made / "methods.md").write_text(methods, encoding="utf-8")
        (made / "README.md").write_text(_readme(), encoding="utf-8")
        made.replace(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _image(record: Record, contrast: ContrastMaps, label: str, root: Path) -> ExportedImage:
    source = contrast.maps[label]
    subjects = {
        found for name in contrast.inputs for found in re.findall(r"\bsub-([a-zA-Z0-9]+)", name)
    }
    n_subjects = len(subjects) or len(contrast.inputs)  # maps of other programs have any name
    fields: dict[str, Any] = {
        "file": f"node-{source.parent.name.removeprefix('node-')}_{source.name}",
        "name": f"{contrast.name[: LONGEST_DEFINITION // 2]}: {label} ({record.node})",
        "description": _description(record, contrast, label, n_subjects, root),
        "map_type": MAP_TYPES[label][0],
        "analysis_level": GROUP[0],
        "number_of_subjects": n_subjects,
        "modality": MODALITY,
        "contrast_definition": contrast.name[:LONGEST_DEFINITION],
    }
    if label in ("t", "F"):
        fields["statistic_parameters"] = round(contrast.dof, 4)
    if _is_mni(record):
        fields["target_template_image"] = TEMPLATE
    return ExportedImage(source, label, fields)


def _description(
    record: Record, contrast: ContrastMaps, label: str, n_subjects: int, root: Path
) -> str:
    """Say in sentences what a map is."""
    sidecar = load_json(ResultPaths.of(root, record.node, record.entities).record())
    unit = sidecar["Statistics"][label]["Units"]
    weights = "; ".join(
        f"{name} {', '.join(f'{value:g}' for value in values)}"
        for name, values in contrast.weights.items()
    )
    dof = f"{contrast.dof:.4g}" + (" (median over voxels)" if "dof" in contrast.maps else "")
    if contrast.test == "F":
        dof = f"{contrast.dof_numerator} and {dof}"
    sentences = [
        f"{STATISTICS[label].description}{f', in {unit}' if unit != '1' else ''}.",
        f"Contrast {contrast.name!r} over {n_subjects} participants, with the weights {weights}; "
        f"{dof} degrees of freedom.",
        f"Not thresholded, zero outside the mask. Node {record.node} of the model "
        f"{record.model}, {sidecar['SoftwareVersion']}.",
    ]
    return " ".join(sentences)


def _check(record: Record, path: Path) -> None:
    if not is_unchanged(path, record.files.get(path, "")):
        raise BadDataError(
            f"{path} is missing, or not as it was written. Repeat the level group, which writes "
            "it again."
        )


def _is_mni(record: Record) -> bool:
    return record.entities.get("space", "").startswith("MNI")


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _table(images: Sequence[ExportedImage]) -> str:
    """Return the table of metadata of a collection, with the words of the website."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for image in images:
        row = {key: value for key, value in image.fields.items() if key in COLUMNS}
        row |= {
            "Filename": image.fields["file"],
            "map_type": MAP_TYPES[image.label][1],
            "analysis_level": GROUP[1],
        }
        writer.writerow(row)
    return text.getvalue()


def _readme() -> str:
    empty = "\n".join(f"- `{name}`: {reason}" for name, reason in LEFT_EMPTY.items())
    return f"""\
# Maps for NeuroVault

On neurovault.org, make a collection and upload this folder as a zip file; then open its table of
metadata and paste the columns of `metadata.csv`. `methods.md` may be its description.

Or from Python, with the package pynv and a token of your account:

```python
import json
from pynv import Client

api = Client(access_token="YOUR TOKEN")
collection = api.create_collection("NAME OF THE COLLECTION")
for image in json.load(open("images.json")):
    api.add_image(collection["id"], image.pop("file"), **image)
```

Nothing is thresholded. `statistic_parameters` are degrees of freedom: of the denominator of F, the
median where they differ between voxels. These fields are left empty, because only you know them:

{empty}

Public collections are in the public domain (CC0).
"""
