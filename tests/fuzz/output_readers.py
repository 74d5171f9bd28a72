"""Readers of what earlier calls left: records, sections, commands, locks and the fit cache."""

import json
import math
from collections.abc import Callable
from pathlib import Path

from boldglm.errors import BadDataError
from boldglm.interfaces.drawing import SectionText
from boldglm.io.files.call_folders import remove_old_call_folders
from boldglm.io.files.checksums import checksum, is_unchanged
from boldglm.io.files.json_files import load_json
from boldglm.io.outputs.dataset_description import COMMANDS, describe_dataset
from boldglm.io.outputs.fit_cache import OUTPUTS, cached_fit, read_fit
from boldglm.io.outputs.names import ResultPaths
from boldglm.io.outputs.records import Record, is_finished, notes_of_records
from boldglm.io.outputs.report_pages import ReportPage, figures_of_page
from boldglm.workflows.other_results import SavedResults
from fuzz import mutations, seeds
from fuzz.command_readers import call_in
from fuzz.reader import Reader


def _read_record(path: Path) -> None:
    out = path.parents[3]
    record = Record.read(path, out)
    root = out.resolve()
    named = [record.result.mask, record.result.mean, *record.files, *record.needed_files]
    assert all(one.resolve().is_relative_to(root) for one in named)
    _check_place(record)
    for contrast in record.result.contrasts:
        assert contrast.dof > -math.inf
    json.dumps(record.result.to_dict(out), sort_keys=True)
    is_finished(path, out, record.fingerprint)


def _check_place(record: Record) -> None:
    """Check that the files that levels write beside a record stay below the output folder."""
    root = Path("/out")
    paths = ResultPaths.of(root, record.node, record.entities)
    assert paths.file("design.tsv").resolve().is_relative_to(root), paths
    assert paths.figure("a", ".svg").resolve().is_relative_to(root), paths


def _read_cache(path: Path) -> None:
    outputs = cached_fit(path.parent, "k")
    if outputs is None:
        return
    root = path.parent.resolve()
    files = [value for key, value in outputs.items() if key.endswith("_file")]
    files += [
        value for key in ("run_maps", "trial_maps") for value in outputs.get(key, {}).values()
    ]
    assert all(Path(file).resolve().is_relative_to(root) for file in files)


def _read_fit(path: Path) -> None:
    fitted, scale = read_fit(path)
    assert scale.ndim == 1
    contrast = fitted.contrast([1.0, *[0.0] * (len(fitted.names) - 1)])
    assert contrast.effect.shape == scale.shape


def _with_files(*names: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name in names:
            (folder / name).write_bytes(b"")

    return write


def _read_group(folder: Path) -> None:
    """Plan the dataset level from the results of two participants, of which a file is changed."""
    out = folder / "out"
    runs = [{"sub": "01", "task": "cuetarget", "run": run} for run in ("1", "2")]
    notes_of_records(out, runs)
    SavedResults(out).stale()
    call_in(folder, ["bids", "out", "group", "--dry-run"])


def _read_record_of_group(path: Path) -> None:
    _read_group(path.parents[4])


def _read_frozen_analysis(path: Path) -> None:
    _read_group(path.parents[2])


def _read_section(path: Path) -> None:
    """Read what a record says for the report, as `PlotRecord` does."""
    try:
        text = SectionText.from_dict(load_json(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadDataError(f"{path} is damaged: {error}.") from error
    assert 0 < text.n_slices < 1000


def _read_page(path: Path) -> None:
    """Read the page of a report and write it again; earlier figures are removed."""
    out, changed = path.parents[2], path.read_bytes()
    victim = out.with_name(f"{out.name}-victim")
    victim.write_bytes(b"mine")
    for figure in figures_of_page(out, "sub-01"):
        assert figure.resolve().is_relative_to(out.resolve()), figure
    try:
        ReportPage.read(out, "sub-01").write(out)
    finally:
        path.write_bytes(changed)
        assert victim.read_bytes() == b"mine"
        victim.unlink()


def _read_command(path: Path) -> None:
    """Write the description of a folder in which a job left its command."""
    out = path.parents[2]
    describe_dataset(out, "name", "boldglm a b participant", {})
    names = [entry["Name"] for entry in json.loads((out / "dataset_description.json").read_text())[
        "GeneratedBy"]]  # fmt: skip
    assert set(names) == {"boldglm"}


def _read_old_description(path: Path) -> None:
    """Write a description over one that somebody changed."""
    changed = path.read_bytes()
    describe_dataset(path.parent, "name", "boldglm a b participant", {"raw": "../raw"})
    content = json.loads(path.read_text())
    path.write_bytes(changed)
    commands = [entry.get("Description") for entry in content["GeneratedBy"]]
    assert "boldglm a b participant" in commands


def _read_lock(path: Path) -> None:
    """Look for folders of ended calls: a folder whose lock is not of this program stays."""
    remove_old_call_folders(path.parents[1])
    assert (path.parent / "precious.txt").is_file()


def _read_checksum(path: Path) -> None:
    """Compare a file with a checksum: only its own says that it is unchanged."""
    text = path.read_text(encoding="utf-8", errors="replace")
    file = path.with_name("file")
    assert is_unchanged(file, text) == (text == checksum(file))


def _with_places(*names: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"12345")

    return make


_CACHED = _with_files("cached0.npz", "cached1.nii.gz", "cached2.nii.gz")
_PAGE = "logs/reports/sub-01.json"
OUTPUTS_OF_CALLS = (
    Reader("record", seeds.RECORD, seeds.records, mutations.of_json, _read_record,
           _with_places(seeds.RECORD, "t.nii.gz")),
    Reader("records of a group", f"out/{seeds.RECORD_OF_GROUP}", seeds.records_of_group,
           mutations.of_json, _read_record_of_group, seeds.write_group, quick=40),
    Reader("frozen analysis", f"out/{seeds.FROZEN_ANALYSIS}", seeds.frozen_analyses,
           mutations.of_json, _read_frozen_analysis, seeds.write_group, quick=40),
    Reader("section of a report", "section.json", seeds.sections, mutations.of_json,
           _read_section),
    Reader("page of a report", _PAGE, seeds.pages, mutations.of_json, _read_page,
           _with_places(_PAGE)),
    Reader("list of cached files", OUTPUTS, seeds.cache_outputs, mutations.of_json, _read_cache,
           _CACHED),
    Reader("cached fit", "x.npz", seeds.fits, mutations.of_bytes, _read_fit),
    Reader("checksum", "checksum.txt", lambda: [b"5 cbf53a1c"], mutations.of_text, _read_checksum,
           _with_places("file")),
    Reader("command of a job", f"{COMMANDS.as_posix()}/a.json", seeds.commands, mutations.of_json,
           _read_command, _with_places(f"{COMMANDS.as_posix()}/a.json")),
    Reader("description of an output folder", "dataset_description.json",
           seeds.output_descriptions, mutations.of_json, _read_old_description),
    Reader("lock of a call", "calls/call-1/call.json", seeds.locks, mutations.of_json, _read_lock,
           _with_places("calls/call-1/precious.txt")),
)  # fmt: skip
