"""Valid files from which the fuzzer starts, made by boldglm itself and by nibabel."""

import atexit
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from shutil import copytree, rmtree
from tempfile import TemporaryDirectory, mkdtemp

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, ScalarAxis, SeriesAxis

from boldglm.analysis.model.default_model import DefaultModelOptions, default_model
from boldglm.cli.main import main
from boldglm.glm import fit
from boldglm.interfaces.drawing import SectionText
from boldglm.io.files.checksums import checksum
from boldglm.io.images.cifti import BrainModels
from boldglm.io.images.grayordinates import Grayordinates
from boldglm.io.images.surfaces import Hemisphere
from boldglm.io.outputs.dataset_description import describe_dataset
from boldglm.io.outputs.fit_cache import OUTPUTS, write_fit
from boldglm.io.outputs.records import ContrastMaps, NodeResult, Record
from boldglm.io.outputs.report_pages import ReportPage
from boldglm.notices import warning
from icosphere import icosphere
from stopped_calls import write_tiny_dataset

SHAPE, N_SCANS = (4, 3, 2), 6
AFFINE = np.array([[-3.0, 0, 0, 12], [0, 3, 0, -9], [0, 0, 3.5, 3], [0, 0, 0, 1]])
POINTS, TRIANGLES = icosphere(0, radius=40.0)
EVENTS = (
    "onset\tduration\ttrial_type\tresponse_time\n"
    "2\t1.5\tgo\t0.61\n9.5\t1.5\tstop\tn/a\n17\t0\tgo\t0.55\n25\t2\tn/a\t0.7\n31\t1\tstop\t0.6\n"
)
CONFOUNDS = "trans_x\trot_z\tframewise_displacement\ta_comp_cor_00\tcosine00\n" + "".join(
    f"{k / 10}\t{-k / 100}\t{'n/a' if not k else 0.1}\t{0.3 * k * k}\t{1 / (k + 1)}\n"
    for k in range(N_SCANS)
)
SESSIONS = "session_id\tage\tgroup\nses-pre\t23\tpatient\nses-post\tn/a\tpatient\n"
SCANS = (
    "filename\tacq_time\tquality\n"
    "func/sub-01_task-go_run-1_bold.nii.gz\t2020-01-01T10:00:00\tgood\n"
    "func/sub-01_task-go_run-2_bold.nii.gz\tn/a\tbad\n"
)
ENTITIES = {"sub": "01", "task": "go", "run": "1"}
PARTICIPANTS = "participant_id\tage\tgroup\nsub-01\t23\tpatient\nsub-02\tn/a\tcontrol\n"


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """Return what a function writes to a file of this name."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def series(dtype: type = np.int16) -> np.ndarray:
    """Return a small 4-D series."""
    values = np.random.default_rng(0).normal(900, 20, (*SHAPE, N_SCANS))
    return values.astype(dtype)


def nifti(name: str, values: np.ndarray, image_class: type = nib.Nifti1Image, order: str = "<"):
    """Return a NIfTI file with a slope, in one of the byte orders."""
    header = image_class.header_class(endianness=order)
    header.set_data_dtype(values.dtype)
    header.set_xyzt_units("mm", "sec")
    image = image_class(values, AFFINE, header)
    image.header.set_zooms((3, 3, 3.5, 2.0)[: values.ndim])
    if values.dtype.kind == "i":
        image.header.set_slope_inter(0.5, 10)
    return written(name, lambda path: nib.save(image, path))


def niftis(suffix: str) -> list[bytes]:
    """Return series in NIfTI-1 and NIfTI-2, in both byte orders, of several types."""
    name = f"x{suffix}"
    return [
        nifti(name, series()),
        nifti(name, series(np.float32)),
        nifti(name, series(), nib.Nifti2Image),
        nifti(name, series(), nib.Nifti1Image, ">"),
        nifti(name, series(np.float32), nib.Nifti2Image, ">"),
    ]


def maps(suffix: str) -> list[bytes]:
    """Return single volumes, such as masks."""
    mask = (series()[..., 0] > 880).astype(np.uint8)
    name = f"x{suffix}"
    return [
        nifti(name, mask),
        nifti(name, series(np.float32)[..., 0]),
        nifti(name, mask, nib.Nifti2Image),
    ]


def gifti(arrays: list[np.ndarray], intents: list[str], encoding: str | None = None) -> bytes:
    """Return GIFTI as nibabel writes it."""
    made = [
        nib.gifti.GiftiDataArray(values, intent=f"NIFTI_INTENT_{intent}")
        for values, intent in zip(arrays, intents, strict=True)
    ]
    for array in made:
        if encoding is not None:
            array.encoding = nib.gifti.util.gifti_encoding_codes[encoding]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft", "TimeStep": "2"})
    return nib.GiftiImage(darrays=made, meta=meta).to_bytes()


def func_giftis() -> list[bytes]:
    """Return series on a surface, as nibabel and as boldglm write them."""
    rows = np.random.default_rng(0).normal(900, 20, (N_SCANS, len(POINTS))).astype(np.float32)
    hemisphere = Hemisphere(np.ones(len(POINTS), bool), "CortexLeft")
    ours = written("x.func.gii", lambda path: hemisphere.write_series(path.parent, "x", rows, 2.0))
    names = ["TIME_SERIES"] * N_SCANS
    return [
        ours,
        gifti(list(rows), names),
        gifti(list(rows.astype(np.int32)), names, "GIFTI_ENCODING_ASCII"),
    ]


def shape_giftis() -> list[bytes]:
    """Return maps on a surface."""
    hemisphere = Hemisphere(np.ones(len(POINTS), bool), "CortexLeft")
    row = np.arange(len(POINTS), dtype=np.float32) - 3
    ours = written("x.shape.gii", lambda path: hemisphere.write_map(path.parent, "x", row))
    return [ours, gifti([row], ["SHAPE"]), gifti([row], ["NONE"], "GIFTI_ENCODING_B64BIN")]


def meshes() -> list[bytes]:
    """Return a surface in GIFTI."""
    arrays = [POINTS.astype(np.float32), TRIANGLES.astype(np.int32)]
    return [gifti(arrays, ["POINTSET", "TRIANGLE"])]


def freesurfer() -> list[bytes]:
    """Return a surface of FreeSurfer."""
    write = nib.freesurfer.write_geometry
    return [written("lh.white", lambda path: write(path, POINTS, TRIANGLES))]


def grayordinates() -> Grayordinates:
    """Return a few vertices and voxels."""
    axis = BrainModelAxis.from_surface(np.arange(2, 10), len(POINTS), "CORTEX_LEFT")
    mask = np.zeros(SHAPE, bool)
    mask[1:3, 1, :] = True
    axis += BrainModelAxis.from_mask(mask, "THALAMUS_LEFT", AFFINE)
    return Grayordinates(np.ones(len(axis), bool), BrainModels(axis))


def dtseries() -> list[bytes]:
    """Return CIFTI series, as boldglm and as nibabel write them."""
    place = grayordinates()
    rows = np.random.default_rng(0).normal(900, 20, (N_SCANS, place.mask.size)).astype(np.float32)
    ours = written("x.dtseries.nii", lambda path: place.write_series(path.parent, "x", rows, 2.0))
    image = nib.Cifti2Image(rows, (SeriesAxis(0, 2.0, N_SCANS), place.axis))
    return [ours, written("x.dtseries.nii", lambda path: nib.save(image, path))]


def dscalars() -> list[bytes]:
    """Return CIFTI maps, as boldglm and as nibabel write them."""
    place = grayordinates()
    row = np.arange(place.mask.size, dtype=np.float32) - 3
    ours = written("x.dscalar.nii", lambda path: place.write_map(path.parent, "x", row))
    image = nib.Cifti2Image(row[np.newaxis], (ScalarAxis(["a"]), place.axis))
    return [ours, written("x.dscalar.nii", lambda path: nib.save(image, path))]


def sidecars() -> list[bytes]:
    """Return metadata of BOLD series."""
    contents = [
        {"RepetitionTime": 2.0, "TaskName": "go", "SliceTiming": [0.0, 1.0, 0.5, 1.5]},
        {"RepetitionTime": 2.0, "StartTime": 0.95, "SliceTimingCorrected": True},
        {"VolumeTiming": [0.0, 8.0, 16.0, 24.0, 32.0, 40.0], "AcquisitionDuration": 1.5},
    ]
    return [json.dumps(content).encode() for content in contents]


def descriptions() -> list[bytes]:
    """Return descriptions of datasets."""
    content = {
        "Name": "a",
        "BIDSVersion": "1.10.0",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.0"}],
        "DatasetLinks": {"raw": "../raw", "deriv": "file:///data/deriv"},
    }
    return [json.dumps(content).encode()]


def models() -> list[bytes]:
    """Return BIDS Stats Models: the default one, and one with transformations of many kinds."""
    plain = default_model("go", ["go", "stop"], 2.0, DefaultModelOptions())
    run = {
        "Level": "Run",
        "Name": "run",
        "GroupBy": ["run", "subject"],
        "Transformations": {
            "Transformer": "pybids-transforms-v1",
            "Instructions": [
                {"Name": "Factor", "Input": ["trial_type"]},
                {"Name": "Scale", "Input": ["response_time"], "Demean": True, "Output": ["rt"]},
                {"Name": "Threshold", "Input": ["response_time"], "Threshold": 0.5},
                {"Name": "Replace", "Input": ["response_time"], "Replace": {"0.7": 1}},
                {"Name": "Assign", "Input": ["rt"], "Target": ["trial_type.go"]},
                {"Name": "Convolve", "Input": ["trial_type.*"], "Model": "spm"},
                {"Name": "Lag", "Input": ["trans_x"], "Output": ["later"], "Shift": 1},
            ],
        },
        "Model": {
            "Type": "glm",
            "X": ["trial_type.*", "trans_*", 1],
            "Options": {"HighPassFilterCutoffHz": 0.01},
        },
        "Contrasts": [
            {
                "Name": "a",
                "ConditionList": ["trial_type.go", "trial_type.stop"],
                "Weights": [1, "-1/2"],
                "Test": "t",
            }
        ],
        "DummyContrasts": {"Test": "t", "Contrasts": ["trial_type.go"]},
    }
    above = {
        "Level": "Dataset",
        "Name": "group",
        "GroupBy": ["contrast"],
        "Model": {"Type": "glm", "X": [1, "age"]},
        "Contrasts": [{"Name": "m", "ConditionList": [1], "Weights": [1], "Test": "t"}],
    }
    edges = [{"Source": "run", "Destination": "group", "Filter": {"contrast": ["a"]}}]
    model = {
        "Name": "m",
        "BIDSModelVersion": "1.0.0",
        "Input": {"task": ["go"], "subject": ["01"]},
        "Nodes": [run, above],
        "Edges": edges,
    }
    return [json.dumps(content).encode() for content in (plain, model)]


def filters() -> list[bytes]:
    """Return a filter file."""
    content = {"bold": {"task": "go", "run": [1, "02"], "session": None}}
    return [json.dumps(content).encode()]


def records() -> list[bytes]:
    """Return the record of a run."""

    def write(path: Path) -> None:
        root = path.parent
        for name in ("mask.nii.gz", "mean.nii.gz", "t.nii.gz"):
            (root / name).write_bytes(b"x")
        contrast = ContrastMaps(
            *("go", "t", {"trial_type.go": [1.0]}, 90.5, 1, {"t": root / "t.nii.gz"}),
            ("sub-01 run-1",),
            {"intercept": [1.0]},
        )
        result = NodeResult(
            root / "mask.nii.gz",
            root / "mean.nii.gz",
            (contrast,),
            (warning("a"),),
            {"rsquared": root / "t.nii.gz"},
            (),
            {"Median": 0.1},
            {"FWHM": [6.0, 6.0, 6.0]},
            {"Analyzed": 9, "Excluded": 1},
        )
        files = {root / "t.nii.gz": checksum(root / "t.nii.gz")}
        entities = {"sub": "01", "task": "go", "run": "1"}
        Record("f" * 32, "run", "run", entities, result, files, "m", {"Digest": "d"}).write(
            path, root
        )

    return [written("sub-01_task-go_statmap.json", write)]


def cache_outputs() -> list[bytes]:
    """Return the list of files of a cached fit whose files are empty."""
    none = "0 00000000"
    content = {
        "Key": "k",
        "Outputs": {
            "fit_file": "cached0.npz",
            "mask_file": "cached1.nii.gz",
            "run_maps": {"rsquared": "cached2.nii.gz"},
            "n_excluded": 3,
        },
        "Checksums": {"cached0.npz": none, "cached1.nii.gz": none, "cached2.nii.gz": none},
    }
    assert OUTPUTS == "outputs.json"
    return [json.dumps(content).encode()]


def fits() -> list[bytes]:
    """Return fits in the cache."""
    rng = np.random.default_rng(0)
    design = np.column_stack([rng.standard_normal((20, 2)), np.ones(20)])
    bold = 5000 + rng.standard_normal((20, 7))
    files = []
    for noise in ("ols", "ar1"):
        fitted = fit(bold, design, noise=noise)
        files.append(
            written("x.npz", lambda path, fitted=fitted: write_fit(path, fitted, np.ones(7)))
        )
    return files


def expressions() -> list[bytes]:
    """Return contrasts as the command line takes them."""
    texts = ("go - stop", "diff = go - 0.5*stop, stop", "0.5 * (go + stop)", "'go' - `stop`/2")
    return [text.encode() for text in texts]


def rules() -> list[bytes]:
    """Return modulations and orthogonalizations."""
    return [b"response_time @ go", b"response_time^2 @ go", b"go ~ stop", b"stop ~ go"]


INSTRUCTIONS = (
    {"Name": "Factor", "Input": ["trial_type"], "RefLevel": "stop", "Constraint": "drop_one"},
    {"Name": "Convolve", "Input": ["trial_type.go"], "Model": "glover", "Derivative": True},
    {"Name": "Convolve", "Input": ["trial_type.*"], "Model": "fir", "FirDelays": [0, 1, 2]},
    {"Name": "Assign", "Input": ["response_time"], "Target": ["trial_type.go"],
     "TargetAttr": "duration", "Output": ["long"]},
    {"Name": "Replace", "Input": ["response_time"], "Replace": {"0.6": 1, "n/a": 0}},
    {"Name": "Copy", "Input": ["trans_x"], "Output": ["again"]},
    {"Name": "Rename", "Input": ["trans_y"], "Output": ["y"]},
    {"Name": "Select", "Input": ["trial_type", "trans_x"]},
    {"Name": "Delete", "Input": ["cosine00"]},
    {"Name": "Group", "Input": ["trans_x", "trans_y"], "GroupName": "motion"},
    {"Name": "Constant", "Output": "one", "Value": 2.5},
    {"Name": "Threshold", "Input": ["trans_x"], "Threshold": 0.5, "Binarize": True,
     "Above": False, "Signed": False},
    {"Name": "Demean", "Input": ["trans_x"], "Output": ["centered"]},
    {"Name": "Scale", "Input": ["response_time"], "Rescale": False, "ReplaceNa": "after"},
    {"Name": "Product", "Input": ["trans_x", "trans_y"], "Output": "xy"},
    {"Name": "Sum", "Input": ["trans_x", "trans_y"], "Weights": [1, -0.5], "Output": "x_y"},
    {"Name": "Add", "Input": ["trans_x", "cosine00"], "Output": "added"},
    {"Name": "And", "Input": ["trial_type.go", "trial_type.stop"], "Output": "both"},
    {"Name": "Or", "Input": ["trial_type.go", "trial_type.stop"], "Output": "any"},
    {"Name": "Not", "Input": ["trial_type.go"], "Output": ["other"]},
    {"Name": "Power", "Input": ["trans_x"], "Value": 2, "OutputSuffix": "_squared"},
    {"Name": "Log", "Input": ["response_time"], "Base": 10, "Output": ["log"]},
    {"Name": "DropNA", "Input": ["response_time"], "Output": ["rt"]},
    {"Name": "Filter", "Input": ["trial_type"],
     "Query": "response_time > 0.5 and trial_type != 'a'", "By": ["response_time"]},
    {"Name": "Filter", "Input": ["response_time"], "Query": "trial_type in ['go', 'stop']",
     "By": ["trial_type"]},
    {"Name": "Split", "Input": ["response_time"], "By": ["trial_type"]},
    {"Name": "Concatenate", "Input": ["trial_type", "response_time"], "Sep": "_", "Output": "c"},
    {"Name": "LabelIdenticalRows", "Input": ["trial_type"], "Cumulative": True},
    {"Name": "Lag", "Input": ["trans_x"], "Shift": -1, "Order": 1, "Mode": "nearest",
     "Difference": True, "Output": ["dx"]},
    {"Name": "Orthogonalize", "Input": ["trans_x"], "Other": ["trans_y"]},
    {"Name": "ToDense", "Input": ["response_time"], "SamplingRate": 10},
    {"Name": "Resample", "Input": ["trans_x"], "SamplingRate": "TR"},
)  # fmt: skip


def transformed_models() -> list[bytes]:
    """Return a model for each instruction, applied before the factor and the convolution."""
    contents = []
    for instruction in INSTRUCTIONS:
        model = json.loads(models()[1])
        factor = {"Name": "Factor", "Input": ["trial_type"]}
        needs_levels = "trial_type." in json.dumps(instruction)
        makes_levels = instruction["Name"] in ("Factor", "Split", "Filter", "Select")
        first = [factor] if needs_levels else []
        last = [] if needs_levels or makes_levels else [factor]
        model["Nodes"] = model["Nodes"][:1]
        model["Edges"] = []
        run = model["Nodes"][0]
        run["Transformations"]["Instructions"] = [*first, instruction, *last]
        run["Model"]["X"] = ["trial_type.*", "trans_*", 1]
        del run["Contrasts"], run["DummyContrasts"]
        contents.append(json.dumps(model).encode())
    return contents


def formulas() -> list[bytes]:
    """Return formulas of models."""
    texts = ("1 + trial_type.go", "0 + trial_type.go * trans_x", "~ C(age) + 1", "age:go - 1")
    return [text.encode() for text in texts]


RECORD = "node-run/sub-01/func/sub-01_task-go_run-1_statmap.json"
RECORD_OF_GROUP = "node-run/sub-01/func/sub-01_task-cuetarget_run-1_statmap.json"
FROZEN_ANALYSIS = "models/model-default_analysis.json"


@cache
def finished() -> Path:
    """Run two participants with two runs each, once; return the folder of data and results."""
    folder = Path(mkdtemp())
    atexit.register(rmtree, folder, ignore_errors=True)
    data = write_tiny_dataset(folder / "bids")
    options = ("--noise-model", "ols", "--conditions", "cue", "--no-keep-fits")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert main([str(data), str(folder / "out"), "participant", *options]) == 0
    return folder


def write_group(folder: Path) -> None:
    """Copy the data and the results of `finished`."""
    copytree(finished(), folder, dirs_exist_ok=True)


def records_of_group() -> list[bytes]:
    """Return the record of one of the runs of `finished`."""
    return [(finished() / "out" / RECORD_OF_GROUP).read_bytes()]


def frozen_analyses() -> list[bytes]:
    """Return what the first job of `finished` froze."""
    return [(finished() / "out" / FROZEN_ANALYSIS).read_bytes()]


def sections() -> list[bytes]:
    """Return what a record says for the report."""
    text = SectionText("sub-01", (("Volumes", "40"),), 21, False, (("go", [1.0], [2.0]),))
    return [json.dumps(text.to_dict()).encode()]


def pages() -> list[bytes]:
    """Return what a report says as a whole."""
    page = ReportPage("sub-01", "a", "b", (warning("c"),), ("d",), ("e",), "f", (("g", "1"),))
    with TemporaryDirectory() as folder:
        figure = Path(folder) / "sub-01" / "figures" / "a.svg"
        return [page.write(Path(folder), [figure]).read_bytes()]


def commands() -> list[bytes]:
    """Return what a job stored of its command."""
    content = {"Version": "0.1", "Command": "boldglm x", "DatasetLinks": {"raw": "../raw"}}
    return [json.dumps(content).encode()]


def output_descriptions() -> list[bytes]:
    """Return the description of an output folder."""
    with TemporaryDirectory() as folder:
        describe_dataset(Path(folder), "a", "boldglm b c group", {"raw": "../raw"})
        return [(Path(folder) / "dataset_description.json").read_bytes()]


def locks() -> list[bytes]:
    """Return what a call of another machine wrote to its lock."""
    return [json.dumps({"Machine": "a", "System": "b", "Process": 12}).encode()]


def command_lines() -> list[bytes]:
    """Return dry runs of the participant level, and calls of higher levels."""
    levels = ("participant", "participant", "participant", "group", "subject", "run")
    return [json.dumps([level, *options]).encode() for level, options in
            zip(levels, ([], ["--conditions", "cue"], ["-m", "default"], [], [], []),
                strict=True)]  # fmt: skip
