"""What the repository says about itself is true: sizes, imports, documents, versions."""

import ast
import contextlib
import io
import os
import re
import shlex
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from boldglm._version import RELEASE
from boldglm.cli.parser import (
    build_demo_parser,
    build_export_parser,
    build_parser,
    build_power_parser,
)

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = Path(sysconfig.get_path("scripts"))

BODY_LINES = 50
BUILDER_LINES = 120  # init_*: a graph is one list of nodes and connections
UNTELLING_NAMES = {"utils", "misc", "helpers", "common", "base"}


def in_repository(path):
    return path.relative_to(ROOT).as_posix()


def body_lines(function):
    """Return how many lines a function has below its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


PARSERS = {  # by the first word of a call
    "demo": build_demo_parser,
    "export": build_export_parser,
    "power": build_power_parser,
}


def options_of(parser):
    return {option for action in parser._actions for option in action.option_strings}


def preferred_options(parser):
    """Return one spelling of each option: the long one with hyphens."""
    long = (
        next(option for option in action.option_strings if option.startswith("--"))
        for action in parser._actions
        if action.option_strings
    )
    return sorted(long)


def shell_lines(path):
    """Return the commands of a document's shell blocks, with continued lines joined."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.strip()]


def boldglm_calls(path):
    """Return the arguments of every call of boldglm in shell blocks, in a container or not."""
    calls = []
    for line in shell_lines(path):
        words = shlex.split(line, comments=True)
        # the program itself, the name of the image or of the SIF file: what follows is ours
        starts = [i for i, word in enumerate(words) if re.fullmatch(r"boldglm(\.sif|:\S+)?", word)]
        building = "build" in words
        if starts and not building:
            calls.append(words[starts[-1] + 1 :])
    return calls


def make_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


def test_the_code_is_where_these_tests_look():
    assert len(SOURCES) > 40
    assert len(TESTS) > 20


def test_no_function_is_too_long_to_read():
    too_long = {}
    for path in SOURCES + BENCHMARKS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                limit = BUILDER_LINES if node.name.startswith("init_") else BODY_LINES
                if body_lines(node) > limit:
                    too_long[f"{in_repository(path)}: {node.name}"] = body_lines(node)

    assert too_long == {}


def test_nothing_in_the_sources_is_left_for_later():
    left = {}
    for path in SOURCES + BENCHMARKS:
        words = re.findall(
            r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b", path.read_text(encoding="utf-8")
        )
        if words:
            left[in_repository(path)] = words

    assert left == {}


def test_module_names_tell_what_is_in_them():
    untelling = [path for path in SOURCES + BENCHMARKS if path.stem.lstrip("_") in UNTELLING_NAMES]

    assert untelling == []


def test_imports_keep_their_directions():
    result = subprocess.run(
        [SCRIPTS / "lint-imports", "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", result.stdout)


def importers_of(package):
    """Return the modules of the app that name a package in an import, as paths below boldglm."""
    pattern = re.compile(rf"^\s*(?:import|from) {package}\b", re.MULTILINE)
    found = [path for path in SOURCES if pattern.search(path.read_text(encoding="utf-8"))]
    return {path.relative_to(ROOT / "src" / "boldglm").as_posix() for path in found}


def test_pybids_is_asked_in_one_place_and_images_are_opened_in_one_layer():
    assert importers_of("bids") == {"io/bids/layout.py"}
    assert {module.split("/")[0] for module in importers_of("nibabel")} == {"io", "demo"}


def test_every_option_of_the_command_line_is_read():
    sources = [path.read_text("utf-8") for path in SOURCES if path.parent.name == "cli"]
    read = set(re.findall(r"\boptions\.([a-z_]+)", " ".join(sources)))
    parsers = (build_parser(), *(build() for build in PARSERS.values()))
    actions = [action for parser in parsers for action in parser._actions]

    # what only prints something is answered before or during parsing; --notrack says what is so
    unread = {"help", "version", "bids_exec_spec", "notrack"}
    assert {action.dest for action in actions} - read == unread


def test_the_picture_of_the_layers_is_the_rule_that_is_enforced():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = contracts[0]["layers"]

    picture = " -> ".join(layers).replace("boldglm.", "")

    assert picture in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGES.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert re.findall(r"^version: (\S+)$", citation, re.MULTILINE) == [RELEASE]
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == RELEASE
    fallback = project["tool"]["hatch"]["version"]["raw-options"]["fallback_version"]
    assert fallback == f"{RELEASE}.dev0"
    assert re.findall(r"^ARG VERSION=(\S+)$", dockerfile, re.MULTILINE) == [fallback] * 2


def test_the_address_of_the_project_is_that_of_its_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    home = project["project"]["urls"]["Homepage"]
    hooks = project["tool"]["hatch"]["metadata"]["hooks"]
    (links,) = hooks["fancy-pypi-readme"]["substitutions"]

    assert all(url.startswith(home) for url in project["project"]["urls"].values())
    assert home in links["replacement"]
    for name in ("Dockerfile", "CITATION.cff", "src/boldglm/io/outputs/dataset_description.py"):
        assert home in (ROOT / name).read_text(encoding="utf-8"), name


def test_links_of_the_readme_lead_somewhere_from_a_package_index():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (rule,) = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    shown = re.sub(rule["pattern"], rule["replacement"], readme)

    links = re.findall(r"\]\(([^)]*)\)", shown)
    assert len(links) > 5
    assert all(link.startswith(("https://", "#")) for link in links)


def test_the_locks_hold_what_the_program_and_its_build_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name, needs in (
        ("requirements.lock", project["project"]["dependencies"]),
        ("build.lock", project["build-system"]["requires"]),
    ):
        lock = (ROOT / "container" / name).read_text(encoding="utf-8")
        locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock, re.MULTILINE))
        for requirement in map(Requirement, needs):
            assert requirement.specifier.contains(locked[requirement.name]), (name, requirement)
        assert lock.count("--hash=sha256:") >= len(locked)


def test_workflows_of_a_forge_call_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    folder = ROOT / ".github" / "workflows"
    called = {
        target
        for path in folder.glob("*.yml")
        for target in re.findall(r"run: make ([a-z-]+)", path.read_text(encoding="utf-8"))
    }

    assert {"test", "test-versions", "packages", "image-test", "test-docs", "image"} <= called
    assert called <= targets


def test_the_license_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")

    assert project["license"] in re.findall(r"^license: (\S+)$", citation, re.MULTILINE)
    assert "Apache License\n                           Version 2.0" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=in_repository)
def test_links_between_documents_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")

    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), target


def anchors_of(path):
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=in_repository)
def test_links_to_sections_lead_to_a_heading(path):
    text = path.read_text(encoding="utf-8")

    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://")):
            assert anchor in anchors_of(path.parent / target if target else path), anchor


@pytest.mark.parametrize("path", DOCUMENTS, ids=in_repository)
def test_source_files_that_documents_name_exist(path):
    code = " ".join(re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8")))
    named = re.findall(r"(?<![\w./])(?:[a-z_0-9]+/)+[a-z_0-9]+\.py\b", code)
    folders = (ROOT, ROOT / "src" / "boldglm")

    missing = [name for name in named if not any((folder / name).is_file() for folder in folders)]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=in_repository)
def test_documents_name_only_what_make_can_do(path):
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"^(?: {4})?make ([a-z-]+)", text, re.MULTILINE)
    named += re.findall(r"`make ([a-z-]+)`", text)

    assert set(named) <= make_targets()


def test_the_readme_names_the_commands_that_a_newcomer_needs():
    commands = [line for line in shell_lines(ROOT / "README.md") if line.startswith("make ")]

    assert {"make demo", "make test"} <= {" ".join(line.split()[:2]) for line in commands}


def test_the_readme_calls_the_program_by_hand_and_in_containers():
    commands = " ".join(shell_lines(ROOT / "README.md"))

    assert len(boldglm_calls(ROOT / "README.md")) >= 4
    assert "docker run" in commands
    assert "apptainer run" in commands


@pytest.mark.parametrize("path", DOCUMENTS, ids=in_repository)
def test_calls_in_documents_are_understood_by_the_parser(path):
    for arguments in boldglm_calls(path):
        said = io.StringIO()
        parser = PARSERS.get(arguments[0], build_parser)()
        try:
            with contextlib.redirect_stderr(said):
                parser.parse_args(arguments[1:] if arguments[0] in PARSERS else arguments)
        except SystemExit as ended:  # code 0: --version
            if ended.code != 0:
                pytest.fail(f"boldglm {shlex.join(arguments)}: {said.getvalue()}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=in_repository)
def test_options_in_running_text_exist(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    if path.name == "coming_from.md":  # first columns are what other programs call it
        text = re.sub(r"^\|[^|]*\|", "", text, flags=re.MULTILINE)
    code = " ".join(re.findall(r"`([^`]+)`", text))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code))

    known = (build_parser(), *(build() for build in PARSERS.values()))
    assert named <= set().union(*map(options_of, known))


@pytest.mark.parametrize(
    "option",
    sorted(
        {
            option
            for build in (build_parser, *PARSERS.values())
            for option in preferred_options(build())
        }
    ),
)
def test_every_option_is_in_the_readme_or_the_docs(option):
    text = " ".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)

    assert re.search(rf"(?<![\w-]){option}(?![\w-])", text)


def test_what_the_wheel_is_made_of_reaches_the_image_and_nothing_else():
    text = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hatch = project["tool"]["hatch"]
    included = hatch["build"]["targets"]["wheel"]["force-include"]
    (readme,) = hatch["metadata"]["hooks"]["fancy-pypi-readme"]["fragments"]
    needed = {"pyproject.toml", "src", "container", readme["path"], *included}
    needed |= set(project["project"]["license-files"])

    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == needed
