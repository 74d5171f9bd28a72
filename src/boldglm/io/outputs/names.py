"""Names, units and descriptions of all output files.

Sidecars, reports, `docs/outputs.md` and tests use the tables of this module, and no other module
composes the BIDS names of outputs.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from boldglm.errors import CannotWriteError
from boldglm.io.entities import entities_stem
from boldglm.io.outputs.dataset_description import describe_dataset, write_bidsignore
from boldglm.io.outputs.dataset_links import link_to

INDEX = "index.html"  # the page of all participants
QUALITY = "quality.tsv"  # the table of all runs, in the output folder
LONGEST_LABEL = 80  # characters; a file name has at most 255 with all its entities
RECORD = "statmap.json"  # after the entities of a result


@dataclass(frozen=True)
class Statistic:
    """A kind of map: its label in file names, its unit, and its description."""

    label: str
    unit: str
    description: str


def _by_label(*statistics: Statistic) -> dict[str, Statistic]:
    return {statistic.label: statistic for statistic in statistics}


STATISTICS = _by_label(
    Statistic("effect", "signal", "Contrast of the regression coefficients"),
    Statistic("variance", "signal squared", "Variance of the effect"),
    Statistic("t", "1", "t statistic"),
    Statistic("F", "1", "F statistic"),
    Statistic("z", "1", "z value with the same one-sided p value as t or F"),
    Statistic("p", "1", "Uncorrected p value, one-sided (upper tail of t or F)"),
    Statistic("qFDR", "1", "p value adjusted for the false discovery rate (q value of "
              "Benjamini-Hochberg)"),
    Statistic("pFWE", "1", "FWE-corrected p value of the voxel, by permutation"),
    Statistic("pFWEextent", "1", "FWE-corrected p value of the extent of the cluster, by "
              "permutation"),
    Statistic("pFWEmass", "1", "FWE-corrected p value of the mass of the cluster, by permutation"),
    Statistic("pFWEtfce", "1", "FWE-corrected p value of threshold-free cluster enhancement, by "
              "permutation"),
    Statistic("dof", "1", "Degrees of freedom (Satterthwaite), if they differ between voxels"),
)  # fmt: skip
RUN_MAPS = _by_label(
    Statistic("rsquared", "1", "Proportion of the variance of uncensored volumes that the design "
              "explains (R squared)"),
    Statistic("taskrsquared", "1", "Proportion of the variance that the conditions explain of "
              "what confounds and drift leave (partial R squared), after prewhitening"),
    Statistic("tsnr", "1", "Temporal signal-to-noise ratio: mean of the uncensored volumes by the "
              "standard deviation of their residuals, before prewhitening"),
    Statistic("whiteness", "1", "Test of the autocorrelation of prewhitened residuals, as a z "
              "value; large where the residuals are not white"),
    Statistic("dof", "1", "Smallest degrees of freedom of the t contrasts of the run"),
    Statistic("ar", "1", "Autoregressive coefficients of the noise model, one volume each (4-D)"),
    Statistic("residuals", "signal", "Residuals: data minus fitted values, not prewhitened (4-D)"),
    Statistic("fitted", "signal", "Fitted values, including the mean (4-D)"),
)  # fmt: skip
TRIAL_MAPS = _by_label(
    Statistic("trialeffect", "signal", "Response amplitude of each trial, one volume each (4-D)"),
    Statistic("trialt", "1", "t statistic of each trial, one volume each (4-D)"),
    Statistic("trials", "", "Trial of each volume: onset, duration, trial_type, variance_factor "
              "(variance of the effect for white noise with variance 1) and dof"),
    Statistic("trialspread", "signal", "Standard deviation of the trial effects within "
              "conditions, pooled over conditions"),
    Statistic("trialcorrelation", "1", "Correlations over voxels between the t maps of trials, "
              "numbered from 1 in the order of the table of trials"),
)  # fmt: skip
TRIAL_ENDINGS = {
    "trialeffect": "desc-trials_stat-effect_statmap",
    "trialt": "desc-trials_stat-t_statmap",
    "trials": "desc-trials_events",
    "trialspread": "desc-trials_stat-std_statmap",
    "trialcorrelation": "desc-trialcorrelation_matrix",
}
SERIES = ("residuals", "fitted")  # run maps that are BOLD series


@dataclass(frozen=True)
class RegionColumn:
    """A column of tables of regions: description, unit, and the levels that have it."""

    description: str
    unit: str = ""
    levels: tuple[str, ...] = ("run", "higher", "dataset")


REGION_COLUMNS = {
    "contrast": RegionColumn("Name of the contrast"),
    "index": RegionColumn("Label of the region in the image of the atlas"),
    "name": RegionColumn("Name of the region"),
    "size": RegionColumn("Voxels or vertices of the region in the mask"),
    "coverage": RegionColumn("Share of the region that the mask has; above the run, the smallest "
                             "share among the inputs"),
    "inputs": RegionColumn("Inputs that have the region", levels=("higher", "dataset")),
    "effect": RegionColumn("Effect in the region; n/a for F", "signal"),
    "variance": RegionColumn("Variance of the effect; n/a for F", "signal squared"),
    "dof": RegionColumn("Degrees of freedom (of the denominator of F)"),
    "t": RegionColumn("t statistic; n/a for F"),
    "F": RegionColumn("F statistic; n/a for t"),
    "z": RegionColumn("z value with the same one-sided p value as t or F"),
    "p": RegionColumn("Uncorrected p value: of t two-sided, at the dataset level by --sides; of "
                      "F the upper tail"),
    "q_fdr": RegionColumn("p adjusted for the false discovery rate over the regions "
                          "(Benjamini-Hochberg)", levels=("dataset",)),
    "p_fwe": RegionColumn("FWE-corrected p value over the regions, by permutation (largest "
                          "statistic); n/a without --permutations", levels=("dataset",)),
}  # fmt: skip
# columns in front: entity: (name of the column, prefix of its values)
REGION_ENTITIES = {
    "sub": ("participant_id", "sub-"),
    "ses": ("session", ""),
    "task": ("task", ""),
    "run": ("run", ""),
    "hemi": ("hemi", ""),
}

FILES = {
    "design.tsv": "Design matrix: one row per volume, one column per regressor",
    "design.json": "Roles of the columns, how the design was built, exclusions and warnings",
    "desc-correlation_matrix.tsv": "Pearson correlations between regressors",
}
IMAGES = {
    "desc-brain_mask": "Analyzed voxels",
    "desc-mean_boldref": "Mean of the uncensored volumes, in the unit of the BOLD file",
}

_PAGE = """\
# Outputs

This page is generated from the tables in `io/outputs/names.py`; a test keeps both equal.

The files of a run, session or subject node are in `node-<node>/sub-<label>/[ses-<label>/]func/`,
those of a dataset node in `node-<node>/`. Names start with the entities of the inputs, without
those that the node combines.

| file | content |
|---|---|
{files}

Images have the format of the BOLD series: `.nii.gz` for volumes; `.shape.gii` for maps and
`.func.gii` for series on surfaces; `.dscalar.nii` and `.dtseries.nii` for CIFTI.

## Maps of contrasts

Maps are named `..._contrast-<contrast>_stat-<label>_statmap.nii.gz`. They are float32, and zero
outside the mask. The unit "signal" is percent signal change, or arbitrary with
`--signal-scaling none`. All maps of a result inherit one JSON sidecar, `<entities>_statmap.json`:

| key | what it says |
|---|---|
| top level | level, model, noise model, HRF, smoothness of the residuals and quality (run \
nodes), sources, mask, number of voxels, design, software version |
| `Contrasts` | by the label in file names: exact name, weights, test, degrees of freedom, \
warnings; above the run also inputs, design matrix and sources |
| `Statistics` | by the label in file names: description and unit |
| `boldglm` | record of the finished result, which resuming and higher levels read |

`boldglm.map_metadata(path)` returns what it says of one map.

| label | unit | content |
|---|---|---|
{statistics}

- By default, t contrasts have maps of the effect, its variance, t and z, F contrasts of F and z;
  both have maps of p above the run, and of the degrees of freedom if they differ between voxels.
  `--maps effect variance` writes no others, and `--maps effect variance t z p` those of p for
  runs too, which have the same information as z. So a run leaves at most 25 files by default.
- Each contrast of a dataset node also has a map of q values and a table of clusters,
  `..._contrast-<contrast>_desc-clusters_table.tsv`, with one row per peak. Its JSON sidecar
  describes the columns, and its column `sign` says which sign t has in a cluster. Tables of F have
  `peak_F` in place of `peak_t` and `sign`.
- q values, tables and permutations test both tails of t unless `--sides one` is given; the
  sidecars say so in `Sides`. Maps of p are of the upper tail in either case.
- `--permutations` adds maps of pFWE, pFWEextent and pFWEmass; `--tfce` adds pFWEtfce. Voxels that
  some inputs lack are not permuted: their p is 1, and `VoxelsNotPermuted` of the sidecars counts
  them.

## Maps of runs

`--maps` adds maps that belong to no contrast. They are named `..._stat-<label>_statmap.nii.gz`;
series are named `..._desc-<label>_bold.nii.gz` and include all volumes. Ignore the values of a
series at the volumes that are listed as `CensoredVolumes` in its sidecar.

| label | unit | content |
|---|---|---|
{run_maps}

## Single trials

`--single-trials` adds for each run:

| file | unit | content |
|---|---|---|
{trial_maps}

## Regions

`--atlas` adds for each result of any level:

| file | content |
|---|---|
| `..._seg-<atlas>_desc-regions_table.tsv` | One row for each contrast and region |
| `..._seg-<atlas>_dseg.nii.gz` | The regions on the grid of the maps, inside the mask; with the \
endings of maps for surfaces and CIFTI |

`<atlas>` has the labels of the entities atlas, seg, scale and desc of the image of the atlas, or \
else the name of its file. The columns of the table start with the entities of the result \
({region_entities}); the others are:

| column | unit | levels | content |
|---|---|---|---|
{region_columns}

The JSON sidecar of the table describes the columns, and that of the image names the files of \
the atlas. Regions without a voxel in the mask have rows with n/a. Cluster tables of the dataset \
level have the column `region` as well: the region at the peak, or n/a outside all regions.

## Other files

| file | content |
|---|---|
| `dataset_description.json` | Description of the derivative dataset, links to its sources, and \
every command that worked on it |
| `.bidsignore` | What BIDS has no name for, each with the reason |
| `sub-<label>.html`, `group.html` | Reports with their figures inside; not with `--no-report` |
| `index.html` | All participants and runs on one page, with links to the reports; not with \
`--no-report` |
| `quality.tsv`, `quality.json` | A row for each finished run, to sort by: motion, censored \
volumes, temporal signal-to-noise ratio, degrees of freedom left, residuals that are not white, \
the strongest correlation of motion with a condition. The same numbers are in `Quality` of the \
sidecar of each run |
| `sub-<label>/figures/`, `group/figures/` | The same figures as files, with `--figures` |
| `<entities>_statmap.json` | Sidecar of all maps of a result, and the record that it is finished |
| `models/model-<name>_smdl.json` | The model that was fitted |
| `models/model-<name>_analysis.json` | The analysis: its options, version and model, and a \
digest of each node, which all results of it share |
| `logs/CITATION.md`, `.html`, `.tex`, `.bib` | The methods section with its references, to be \
pasted into a paper |
| `logs/` | Settings, commands, crash files, and what each report says as a whole |
"""


def outputs_page() -> str:
    """Return the text of docs/outputs.md."""
    return _PAGE.format(
        files="\n".join(
            f"| `..._{ending}` | {text} |"
            for ending, text in (
                FILES | {f"{name}.nii.gz": IMAGES[name] for name in IMAGES}
            ).items()
        ),
        statistics=_rows(STATISTICS),
        run_maps=_rows(RUN_MAPS),
        trial_maps="\n".join(
            f"| `..._{ending}{'.nii.gz' if 'statmap' in ending else '.tsv'}` "
            f"| {TRIAL_MAPS[label].unit} | {TRIAL_MAPS[label].description} |"
            for label, ending in TRIAL_ENDINGS.items()
        ),
        region_entities=", ".join(f"`{column}`" for column, _ in REGION_ENTITIES.values()),
        region_columns="\n".join(
            f"| `{name}` | {column.unit} | {_levels_text(column.levels)} | {column.description} |"
            for name, column in REGION_COLUMNS.items()
        ),
    )


def _levels_text(levels: Sequence[str]) -> str:
    words = {"run": "run", "higher": "session, subject", "dataset": "dataset"}
    return "all" if len(levels) == len(words) else ", ".join(words[level] for level in levels)


def _rows(table: Mapping[str, Statistic]) -> str:
    return "\n".join(
        f"| {statistic.label} | {statistic.unit} | {statistic.description} |"
        for statistic in table.values()
    )


def camel_case(name: str) -> str:
    """Convert a name to camelCase with letters and digits only, as BIDS labels require.

    Operators are spelled out, accents are removed, and letters of other scripts are replaced by
    their code points, so that different contrasts rarely get the same label; `clashing_labels`
    finds those that do. A label with more than 80 characters is shortened and ends with a digest
    of the name.

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
    """Convert the name of a node or model to a label, which cannot be a path.

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
    """Return the file name of a model.

    Examples
    --------
    >>> model_file_name("default"), model_file_name("../my model")
    ('model-default_smdl.json', 'model-myModel_smdl.json')
    """
    return f"model-{node_label(name)}_smdl.json"


def analysis_file_name(name: str) -> str:
    """Return the name of the file that keeps an analysis; ``*`` gives a pattern.

    Examples
    --------
    >>> analysis_file_name("default"), analysis_file_name("*")
    ('model-default_analysis.json', 'model-*_analysis.json')
    """
    return f"model-{name if name == '*' else node_label(name)}_analysis.json"


def _plain_letter(letter: str) -> str:
    if unicodedata.combining(letter):
        return ""
    return letter if letter.isascii() or not letter.isalnum() else f"u{ord(letter):04x}"


def clashing_labels(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of contrasts whose files would have the same name.

    Labels that differ only in case count as equal, because some file systems ignore case.

    Parameters
    ----------
    names : sequence of str
        Names of contrasts, without repetitions.

    Returns
    -------
    list of (str, str)
        Each name whose label is already taken, after the first name with that label.

    Examples
    --------
    >>> clashing_labels(["go left", "stop", "go_left", "STOP"])
    [('go left', 'go_left'), ('stop', 'STOP')]
    """
    taken: dict[str, str] = {}
    clashes = []
    for name in names:
        first = taken.setdefault(camel_case(name).casefold(), name)
        if first != name:
            clashes.append((first, name))
    return clashes


@dataclass(frozen=True)
class ResultPaths:
    """Paths of the files of a result of a node, in `node-<node>/sub-X/[ses-Y/]func/`."""

    output_dir: Path
    node: str
    entities: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, output_dir: Path, node: str, entities: dict[str, str]) -> "ResultPaths":
        """Create from a dictionary of entities.

        The name of the node is converted to a label, so that a model file cannot lead out of the
        output folder.
        """
        return cls(Path(output_dir), node_label(node), tuple(entities.items()))

    @property
    def folder(self) -> Path:
        """Folder of all files."""
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
        """Entities in the file names."""
        return entities_stem(dict(self.entities))

    def file(self, ending: str) -> Path:
        """Return the path of a file of the table `FILES`."""
        if ending not in FILES:
            raise KeyError(ending)
        return self.folder / _joined(self.stem, ending)

    def image(self, kind: str, ending: str) -> Path:
        """Return the path of an image of the table `IMAGES` with the ending of its format."""
        if kind not in IMAGES:
            raise KeyError(kind)
        return self.folder / _joined(self.stem, kind + ending)

    def statmap(self, contrast: str, statistic: str, ending: str = ".nii.gz") -> Path:
        """Return the path of a map of a contrast."""
        label = STATISTICS[statistic].label
        name = f"contrast-{camel_case(contrast)}_stat-{label}_statmap{ending}"
        return self.folder / _joined(self.stem, name)

    def clusters(self, contrast: str) -> Path:
        """Return the path of the cluster table of a contrast."""
        name = f"contrast-{camel_case(contrast)}_desc-clusters_table.tsv"
        return self.folder / _joined(self.stem, name)

    def regions(self, atlas: str, ending: str) -> Path:
        """Return the path of the table of regions (``.tsv``), or of their image."""
        name = "desc-regions_table" if ending == ".tsv" else "dseg"
        stem = entities_stem({**dict(self.entities), "seg": atlas})
        return self.folder / f"{stem}_{name}{ending}"

    def run_map(self, label: str, ending: str = ".nii.gz") -> Path:
        """Return the path of a file of the tables `RUN_MAPS` and `TRIAL_MAPS`."""
        if label in TRIAL_MAPS:
            return self.folder / _joined(self.stem, TRIAL_ENDINGS[label] + ending)
        kind = RUN_MAPS[label].label
        name = f"desc-{kind}_bold" if kind in SERIES else f"stat-{kind}_statmap"
        return self.folder / _joined(self.stem, name + ending)

    def figure(self, label: str, extension: str) -> Path:
        """Return the path of a figure of the report."""
        entities = dict(self.entities)
        top = self.output_dir / (f"sub-{entities['sub']}" if "sub" in entities else "group")
        name = _joined(self.stem, f"desc-{camel_case(self.node + ' ' + label)}_figure{extension}")
        return top / "figures" / name

    def record(self) -> Path:
        """Return the path of the record, which shows that the result is complete.

        It is the sidecar that all maps of the result inherit, so that levels above need nothing
        but maps and their sidecars.
        """
        return self.folder / _joined(self.stem, RECORD)

    def report(self) -> Path:
        """Return the path of the report that shows the result."""
        entities = dict(self.entities)
        name = f"sub-{entities['sub']}" if "sub" in entities else "group"
        return self.output_dir / f"{name}.html"


def report_page_file(output_dir: Path, name: str) -> Path:
    """Return the path of what a report says as a whole."""
    return output_dir / "logs" / "reports" / f"{name}.json"


def citation_file(output_dir: Path, ending: str) -> Path:
    """Return the path of the methods section as ``.md``, ``.html``, ``.tex`` or ``.bib``."""
    return output_dir / "logs" / f"CITATION{ending}"


def overview_file(output_dir: Path, subject: str) -> Path:
    """Return the path of what the page of all participants says of one of them."""
    return output_dir / "logs" / "reports" / f"sub-{subject}_overview.json"


def output_dir_of(record: Path) -> Path:
    """Return the output folder that a record lies in.

    Examples
    --------
    >>> output_dir_of(Path("out/node-run/sub-01/func/sub-01_statmap.json")).as_posix()
    'out'
    """
    return next(folder for folder in record.parents if folder.name.startswith("node-")).parent


def _joined(stem: str, ending: str) -> str:
    return f"{stem}_{ending}" if stem else ending


def image_uri(path: Path, output_dir: Path) -> str:
    """Return the BIDS URI of a file in the output folder."""
    return f"bids::{path.relative_to(output_dir).as_posix()}"


def sidecar(path: Path) -> Path:
    """Return the path of the JSON sidecar of a map or table.

    Examples
    --------
    >>> sidecar(Path("sub-01_stat-t_statmap.nii.gz")).name
    'sub-01_stat-t_statmap.json'
    """
    return path.with_name(path.name.split(".", 1)[0] + ".json")


def prepare_output(
    output_dir: Path,
    bids_dir: Path,
    dataset_name: str | None,
    command: str,
    derivatives: Mapping[str, Path] | None = None,
) -> None:
    """Create the derivative dataset: dataset_description.json, .bidsignore and logs/.

    Parameters
    ----------
    output_dir : Path
        Output folder.
    bids_dir : Path
        Raw dataset.
    dataset_name : str or None
        Name of the raw dataset; None keeps the name that is written.
    command : str
        Command line.
    derivatives : mapping of str to Path, optional
        Preprocessed datasets by their names in BIDS URIs.

    Raises
    ------
    CannotWriteError
        If the folder cannot be created or written.
    """
    sources = {"raw": bids_dir, **(derivatives or {})}
    links = {name: link_to(path, output_dir, bids_dir) for name, path in sources.items()}
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        (output_dir / "logs").mkdir(exist_ok=True)
        describe_dataset(output_dir, dataset_name, command, links)
        write_bidsignore(output_dir)
    except OSError as error:
        raise CannotWriteError(
            f"The output folder {output_dir} cannot be written: {error.strerror or error}. Choose "
            "another folder, or change its permissions."
        ) from error
