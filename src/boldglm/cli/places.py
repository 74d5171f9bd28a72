"""Where an output folder may lie: apart from all inputs, or in their derivatives/."""

from collections.abc import Iterable
from pathlib import Path

from boldglm.errors import UsageError
from boldglm.io.files.json_files import load_json

PARTS_FOR_INPUTS = ("sourcedata", "inputs")  # of an output dataset that holds what it was made of
NEVER = "boldglm never writes to its input"


def check_places(output_dir: Path, bids_dir: Path, derivatives: Iterable[Path] = ()) -> None:
    """Refuse an output folder that is an input, lies in one, or is another dataset that holds one.

    ``derivatives/<name>`` of a dataset may be written to. An output folder may hold the raw
    dataset, and derivatives in ``sourcedata`` or ``inputs``.

    Parameters
    ----------
    output_dir : Path
        The output folder.
    bids_dir : Path
        The raw dataset.
    derivatives : iterable of Path
        Preprocessed datasets.

    Raises
    ------
    UsageError
    """
    output = output_dir.resolve()
    inputs = {"BIDS_DIR": bids_dir.resolve()}
    inputs |= {f"the input {path}": path.resolve() for path in derivatives}
    remedy = f"Use for example {bids_dir / 'derivatives' / 'boldglm'}."
    for name, path in inputs.items():
        if output == path:
            raise UsageError(
                f"OUTPUT_DIR and {name} are the same folder ({output}), and {NEVER}. {remedy}"
            )
        if output.is_relative_to(path) and not _is_place_for_derivatives(output, path):
            raise UsageError(
                f"OUTPUT_DIR ({output}) lies in {name}, and {NEVER}, apart from its derivatives/. "
                f"{remedy}"
            )
        if path.is_relative_to(output):
            inside = path.relative_to(output)
            holds_raw = inputs["BIDS_DIR"].is_relative_to(output)
            if (
                holds_raw
                and path.is_relative_to(inputs["BIDS_DIR"])
                and not _is_another_dataset(output)
            ):
                continue
            if inside.parts[0] not in PARTS_FOR_INPUTS:
                raise UsageError(
                    f"OUTPUT_DIR ({output}) holds {name} (in {inside}), and {NEVER}. Use a folder "
                    f"of its own, for example {bids_dir / 'derivatives' / 'boldglm'}."
                )


def check_place_of_file(flag: str, file: Path, bids_dir: Path) -> None:
    """Refuse to write a file of a plan into the raw dataset, apart from its ``derivatives/``.

    Raises
    ------
    UsageError
    """
    path, dataset = file.resolve(), bids_dir.resolve()
    if path.is_relative_to(dataset) and not _is_place_for_derivatives(path, dataset):
        raise UsageError(
            f"{flag} {file} lies in BIDS_DIR, and {NEVER}, apart from its derivatives/. Choose "
            "another folder."
        )


def _is_another_dataset(folder: Path) -> bool:
    """Tell whether a folder has a description that boldglm did not write."""
    path = folder / "dataset_description.json"
    if not path.is_file():
        return False
    try:
        content = load_json(path)
        made = [str(entry.get("Name")) for entry in content.get("GeneratedBy", ())]
    except (OSError, ValueError, AttributeError, TypeError):
        return True
    return "boldglm" not in made


def _is_place_for_derivatives(output: Path, dataset: Path) -> bool:
    """Tell whether a folder is in derivatives/ of a dataset, or the dataset is derivatives/."""
    first = output.relative_to(dataset).parts[0]
    return first == "derivatives" or (dataset.name == "derivatives" and first[:4] != "sub-")
