"""Names, sidecars and descriptions of everything boldglm writes.

`STATISTICS` and `FILES` are the one table of outputs: the writer, the report, `docs/outputs.md`
and the tests read it. No other module puts a BIDS name together.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boldglm._version import __version__
from boldglm.errors import CannotWriteError
from boldglm.io.entities import entities_stem
from boldglm.io.files.atomic import write_bytes
from boldglm.io.files.json_files import write_json

LONGEST_LABEL = 80  # characters: a file name has 255 for all its entities
BIDS_VERSION = "1.10.0"
CODE_URL = "https://github.com/boldglm/boldglm"
BIDSIGNORE = (
    "*.html\nlogs\nlogs/\nmodels\nmodels/\nnode-*\nnode-*/\nsub-*/figures\nsub-*/figures/\n"
    "group\ngroup/\n"
)


@dataclass(frozen=True)
class Statistic:
    """One kind of map: the label of its `stat` entity, its unit, what it is."""

    label: str
    unit: str
    description: str


STATISTICS = {
    statistic.label: statistic
    for statistic in (
        Statistic("effect", "signal", "Contrast of the regression weights"),
        Statistic("variance", "signal squared", "Estimated variance of the effect"),
        Statistic("t", "1", "Student's t of the contrast"),
        Statistic("F", "1", "F statistic of the contrast"),
        Statistic("z", "1", "Standard normal deviate with the same one-sided p value"),
        Statistic("p", "1", "One-sided p value: upper tail of t, or of F"),
        Statistic(
            "qFDR",
            "1",
            "q value: smallest false discovery rate at which the voxel is significant "
            "(Benjamini and Hochberg)",
        ),
        Statistic("pFWE", "1", "Family-wise error of each voxel, by permutation"),
        Statistic("pFWEextent", "1", "Family-wise error of the extent of its cluster"),
        Statistic("pFWEmass", "1", "Family-wise error of the mass of its cluster"),
        Statistic("pFWEtfce", "1", "Family-wise error by threshold-free cluster enhancement"),
        Statistic("dof", "1", "Satterthwaite degrees of freedom, where they differ by voxel"),
    )
}

RUN_MAPS = {
    statistic.label: statistic
    for statistic in (
        Statistic("rsquared", "1", "Share of variance explained, without censored volumes"),
        Statistic("whiteness", "1", "Autocorrelation left after prewhitening: z, 0 if white"),
        Statistic("dof", "1", "Fewest degrees of freedom among the t contrasts of the run"),
        Statistic("ar", "1", "Autoregressive coefficients of the noise, one volume each (4-D)"),
        Statistic("residuals", "signal", "Signal minus its fit, not prewhitened (4-D)"),
        Statistic("fitted", "signal", "Signal that the design explains, with its mean (4-D)"),
    )
}
TRIAL_MAPS = {
    statistic.label: statistic
    for statistic in (
        Statistic("trialeffect", "signal", "Response to each trial, one volume per trial (4-D)"),
        Statistic("trialt", "1", "Student's t of each trial, one volume per trial (4-D)"),
        Statistic("trials", "", "The trials, one row per volume of the trial maps: onset, "
                  "duration, trial_type, variance_factor (variance of the estimate for white "
                  "noise of variance 1) and dof"),
        Statistic("trialspread", "signal", "Standard deviation of trial effects within "
                  "conditions, pooled"),
        Statistic("trialcorrelation", "1", "Correlations over voxels between the t maps of "
                  "trials, numbered by their row in the table, from 1"),
    )
}  # fmt: skip
TRIAL_ENDINGS = {
    "trialeffect": "desc-trials_stat-effect_statmap",
    "trialt": "desc-trials_stat-t_statmap",
    "trials": "desc-trials_events",
    "trialspread": "desc-trials_stat-std_statmap",
    "trialcorrelation": "desc-trialcorrelation_matrix",
}
SERIES = ("residuals", "fitted")  # run maps that are BOLD series

FILES = {
    "design.tsv": "Design matrix: one row per volume, one column per regressor",
    "design.json": "Description of the columns, how the design was built, exclusions and warnings",
    "desc-correlation_matrix.tsv": "Pearson correlations of the regressors",
}
IMAGES = {
    "desc-brain_mask": "Voxels that were analyzed",
    "desc-mean_boldref": "Mean over the uncensored volumes, in the unit of the file",
}

_PAGE = """\
# Outputs

This page is made from the tables in `io/outputs/names.py`, and a test compares the two.

The files of a node are in `node-<node>/sub-<label>/[ses-<label>/]func/`, those of the group in
`node-<node>/`. Names start with the entities of the run, without those that were combined.

| file | what it is |
|---|---|
{files}

Maps have the format of the BOLD series: `.nii.gz` for volumes, `.shape.gii` for surfaces and
`.dscalar.nii` for CIFTI. Series of surfaces are `.func.gii`, those of CIFTI `.dtseries.nii`.
Maps are named `..._contrast-<contrast>_stat-<label>_statmap.nii.gz` and are float32, zero
outside the mask. Each has a JSON sidecar: exact contrast name and weights, test, degrees of
freedom, unit, model, noise model, HRF, smoothness of residuals (runs), sources, mask, design,
software version.

| stat | unit | what it is |
|---|---|---|
{statistics}

Effect, variance, t or F, z and p are written for every contrast, and dof if it differs by voxel.
At the dataset level, each t contrast also has qFDR and a table of clusters,
`..._contrast-<contrast>_desc-clusters_table.tsv` (one row per peak of each cluster; its JSON
describes the columns). `--permutations` adds pFWE, pFWEextent and pFWEmass, and `--tfce` adds
pFWEtfce.

`--maps` writes maps of each run as a whole, `..._stat-<label>_statmap.nii.gz`. `residuals` and
`fitted` are series of all volumes, `..._desc-<label>_bold.nii.gz`. Ignore their values at the
volumes in `CensoredVolumes`.

| maps | unit | what it is |
|---|---|---|
{run_maps}

`--single-trials` writes, for each run:

| file | unit | what it is |
|---|---|---|
{trial_maps}

The output folder also has `dataset_description.json`, `models/model-<name>_smdl.json` (the
model that was fitted), `sub-<label>.html` and `group.html` (reports), pictures in
`sub-<label>/figures/`, and `logs/` (settings, crash files, and the records that boldglm needs to
resume).
"""


def outputs_page() -> str:
    """Return docs/outputs.md: every kind of file, from the tables above."""
    return _PAGE.format(
        files="\n".join(
            f"| `..._{ending}` | {text} |"
            for ending, text in {**FILES, **{f"{k}.nii.gz": v for k, v in IMAGES.items()}}.items()
        ),
        statistics=_rows(STATISTICS),
        run_maps=_rows(RUN_MAPS),
        trial_maps="\n".join(
            f"| `..._{ending}{'.nii.gz' if 'statmap' in ending else '.tsv'}` "
            f"| {TRIAL_MAPS[label].unit} | {TRIAL_MAPS[label].description} |"
            for label, ending in TRIAL_ENDINGS.items()
        ),
    )


def _rows(table: Mapping[str, Statistic]) -> str:
    return "\n".join(f"| {one.label} | {one.unit} | {one.description} |" for one in table.values())


def camel_case(name: str) -> str:
    """Turn any name into the camelCase alphanumerics that a BIDS label allows.

    Operators are spelled out, letters lose their accents, and those of other scripts become their
    code points, so that two contrasts do not end up with one name; see `clashing_labels` for
    those that do. A label of more than 80 characters ends in a digest of the name.

    Examples
    --------
    >>> camel_case("faces - houses"), camel_case("trial_type.go"), camel_case("A>B")
    ('facesMinusHouses', 'trialTypeGo', 'AGtB')
    >>> camel_case("Häuser"), camel_case("面孔"), len(camel_case(300 * "x"))
    ('Hauser', 'u9762u5b54', 80)
    """
    for symbol, word in (("-", "minus"), ("+", "plus"), (">", "gt"), ("<", "lt"), ("/", "over")):
        pattern = rf"(?<=\w){symbol}(?=\w)" if symbol == "-" else re.escape(symbol)
        name = re.sub(
            rf"\s{re.escape(symbol)}\s|{pattern}|^{re.escape(symbol)}", f" {word} ", name
        )
    return _joined_words(name) or "contrast"


def node_label(name: str) -> str:
    """Turn the name of a node or model into a label, which cannot be a path.

    Examples
    --------
    >>> node_label("run"), node_label("first-level"), node_label("../../home")
    ('run', 'firstLevel', 'home')
    """
    return _joined_words(name) or "unnamed"


def _joined_words(name: str) -> str:
    plain = "".join(map(_plain_letter, unicodedata.normalize("NFKD", name)))
    first, *rest = [word for word in re.split(r"[^0-9a-zA-Z]+", plain) if word] or [""]
    label = first + "".join(word[0].upper() + word[1:] for word in rest)
    if len(label) > LONGEST_LABEL:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        label = label[: LONGEST_LABEL - len(digest)] + digest
    return label


def model_file_name(name: str) -> str:
    """Return what a model's file is called, whatever a model file says its name is.

    Examples
    --------
    >>> model_file_name("default"), model_file_name("../my model")
    ('model-default_smdl.json', 'model-myModel_smdl.json')
    """
    return f"model-{node_label(name)}_smdl.json"


def _plain_letter(letter: str) -> str:
    if unicodedata.combining(letter):
        return ""
    return letter if letter.isascii() or not letter.isalnum() else f"u{ord(letter):04x}"


def clashing_labels(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of contrasts whose files would have one name.

    File systems that do not tell capital letters apart count.

    Parameters
    ----------
    names : sequence of str
        Names of contrasts, each of them once.

    Returns
    -------
    list of (str, str)
        Each name whose label is taken, behind the first that has it.

    Examples
    --------
    >>> clashing_labels(["go left", "stop", "go_left", "STOP"])
    [('go left', 'go_left'), ('stop', 'STOP')]
    """
    taken: dict[str, str] = {}
    found = []
    for name in names:
        first = taken.setdefault(camel_case(name).casefold(), name)
        if first != name:
            found.append((first, name))
    return found


@dataclass(frozen=True)
class ResultPaths:
    """Where the files of one node's result go: `node-<node>/sub-X/[ses-Y/]func/`."""

    output_dir: Path
    node: str
    entities: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, output_dir: Path, node: str, entities: dict[str, str]) -> "ResultPaths":
        """Make a place from a dictionary of entities.

        The name of a node becomes a label: a model file cannot lead out of the output folder.
        """
        return cls(Path(output_dir), node_label(node), tuple(entities.items()))

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        entities = dict(self.entities)
        folder = self.output_dir / f"node-{self.node}"
        if "sub" not in entities:
            return folder
        folder /= f"sub-{entities['sub']}"
        if "ses" in entities:
            folder /= f"ses-{entities['ses']}"
        return folder / "func"

    @property
    def stem(self) -> str:
        """Entities of the files, joined."""
        return entities_stem(dict(self.entities))

    def file(self, ending: str) -> Path:
        """Return the path of a file of the table `FILES`."""
        if ending not in FILES:
            raise KeyError(ending)
        return self.folder / _joined(self.stem, ending)

    def image(self, kind: str, ending: str) -> Path:
        """Return the path of an image of the table `IMAGES`, of the ending of its format."""
        if kind not in IMAGES:
            raise KeyError(kind)
        return self.folder / _joined(self.stem, kind + ending)

    def statmap(self, contrast: str, statistic: str, ending: str = ".nii.gz") -> Path:
        """Return the path of a map of a contrast, given by its exact name."""
        label = STATISTICS[statistic].label
        name = f"contrast-{camel_case(contrast)}_stat-{label}_statmap{ending}"
        return self.folder / _joined(self.stem, name)

    def clusters(self, contrast: str) -> Path:
        """Return the path of the table of clusters of a contrast."""
        name = f"contrast-{camel_case(contrast)}_desc-clusters_table.tsv"
        return self.folder / _joined(self.stem, name)

    def run_map(self, label: str, ending: str = ".nii.gz") -> Path:
        """Return the path of a file of the tables `RUN_MAPS` and `TRIAL_MAPS`."""
        if label in TRIAL_MAPS:
            return self.folder / _joined(self.stem, TRIAL_ENDINGS[label] + ending)
        kind = RUN_MAPS[label].label
        name = f"desc-{kind}_bold" if kind in SERIES else f"stat-{kind}_statmap"
        return self.folder / _joined(self.stem, name + ending)

    def figure(self, label: str, extension: str) -> Path:
        """Return the path of a picture for the report."""
        entities = dict(self.entities)
        top = self.output_dir / (f"sub-{entities['sub']}" if "sub" in entities else "group")
        name = _joined(self.stem, f"desc-{camel_case(self.node + ' ' + label)}_figure{extension}")
        return top / "figures" / name

    def record(self) -> Path:
        """Return the path of the record of what was done, which resuming relies on."""
        return self.output_dir / "logs" / "records" / f"node-{self.node}_{self.stem}.json"


def _joined(stem: str, ending: str) -> str:
    return f"{stem}_{ending}" if stem else ending


def sidecar(path: Path) -> Path:
    """Return the JSON file beside a map or table.

    Examples
    --------
    >>> sidecar(Path("sub-01_stat-t_statmap.nii.gz")).name
    'sub-01_stat-t_statmap.json'
    """
    return path.with_name(path.name.split(".", 1)[0] + ".json")


def prepare_output(
    output_dir: Path,
    bids_dir: Path,
    dataset_name: str,
    command: str,
    derivatives: Mapping[str, Path] | None = None,
) -> None:
    """Create the derivative dataset: description, .bidsignore, logs.

    `derivatives` are the preprocessed inputs by the names that BIDS URIs use.

    Raises
    ------
    CannotWriteError
        If the folder cannot be created or written.
    """
    sources = {"raw": bids_dir, **(derivatives or {})}
    links = {name: path.resolve().as_uri() for name, path in sources.items()}
    description = {
        "Name": f"boldglm: voxelwise GLM of {dataset_name}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "boldglm",
                "Version": __version__,
                "CodeURL": CODE_URL,
                "Description": command,
            }
        ],
        "SourceDatasets": [{"URL": uri} for uri in links.values()],
        "DatasetLinks": links,
    }
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        write_json(output_dir / "dataset_description.json", description)
        write_bytes(output_dir / ".bidsignore", BIDSIGNORE.encode())
        (output_dir / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise CannotWriteError(
            f"The output folder {output_dir} cannot be written: {error.strerror or error}. Choose "
            "another folder or change its permissions."
        ) from error
