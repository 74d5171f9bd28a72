"""Run a quick part of the tests with the lowest, the newest and the pre-releases of dependencies.

    python tests/packages/versions.py              every environment that this machine can make
    python tests/packages/versions.py lowest       this one only

Environments: `lowest` has the lower bounds of pyproject.toml on the oldest Python, `newest` and
`newest-3.X` the newest releases on each Python, `pre-releases` what is published before a release,
on the newest Python. A Python that is not installed is named and left out; `make test-versions`
shows which. uv makes the environments, in the folder .versions.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".versions"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# Oracles are other programs, whose own needs are above the lower bounds.
QUICK = (
    *("tests/glm/design", "tests/glm/inference", "tests/glm/stats", "tests/glm/second_level"),
    *("tests/stats_model", "tests/io", "tests/reports", "tests/workflows/test_run_wf.py"),
    *("tests/end_to_end/test_recovers_known_activation.py", "src/boldglm/glm"),
)
SHOWN = ("numpy", "scipy", "nipype", "traits", "pybids", "nibabel", "pandas", "matplotlib")
UV = str(Path(sys.executable).with_name("uv"))


class Environment(NamedTuple):
    """An environment: the path of its Python, and how uv chooses versions."""

    name: str
    python: str
    options: tuple[str, ...]


def interpreter(version: str) -> str | None:
    """Return the path of a Python that really runs, or None."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    known = sorted(versions.glob(f"{version}.*/bin/python"), key=_patch_level, reverse=True)
    for candidate in (shutil.which(f"python{version}"), *map(str, known)):
        if candidate is None:
            continue
        shown = subprocess.run([candidate, "--version"], capture_output=True, text=True)
        if shown.returncode == 0 and f" {version}." in shown.stdout:
            return candidate
    return None


def _patch_level(path: Path) -> int:
    level = path.parents[1].name.split(".")[2]
    return int(level) if level.isdecimal() else -1


def environments() -> Iterator[Environment]:
    """Yield the environments that the Pythons of this machine allow."""
    found = {version: interpreter(version) for version in PYTHONS}
    paths = {version: path for version, path in found.items() if path is not None}
    missing = [version for version in PYTHONS if version not in paths]
    if missing:
        print(f"Not installed here, so not tested: Python {', '.join(missing)}", flush=True)
    if not paths:
        raise SystemExit("versions.py: no Python to test with was found")
    oldest, newest = min(paths), max(paths)  # all have two digits
    yield Environment("lowest", paths[oldest], ("--resolution", "lowest-direct"))
    for version, path in paths.items():
        yield Environment("newest" if version == newest else f"newest-{version}", path, ())
    yield Environment("pre-releases", paths[newest], ("--prerelease", "allow"))


def make(environment: Environment) -> Path:
    """Make an environment; return its Python."""
    folder = FOLDER / environment.name
    needs = folder / "requirements.txt"
    _uv("venv", "--clear", "--python", environment.python, str(folder))
    python = str(folder / "bin" / "python")
    # The bounds of the program alone: those of test tools are another matter.
    _uv("pip", "compile", "--python", python, *environment.options, "pyproject.toml",
        "--output-file", str(needs))  # fmt: skip
    allowed = () if environment.name == "lowest" else environment.options
    _uv("pip", "install", "--python", python, "-r", str(needs), "-c", str(needs), *allowed,
        *("pytest", "pytest-xdist", "hypothesis", "bsmschema", "statsmodels"))  # fmt: skip
    return Path(python)


def _uv(*arguments: str) -> None:
    subprocess.run([UV, "--quiet", *arguments], cwd=ROOT, check=True)


def test(python: Path) -> bool:
    """Run the tests with an environment; tell whether they passed."""
    code = "import sys, importlib.metadata as m; print('Python', sys.version.split()[0], *("
    code += f"name + ' ' + m.version(name) for name in {SHOWN}), sep=', ')"
    subprocess.run([python, "-c", code], check=True)
    without = "not slow and not battery and not container"
    call = [python, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", "-m", without]
    call += ["-p", "no:cacheprovider", *QUICK]
    return not subprocess.run(
        call, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ).returncode


def main() -> int:
    """Test every environment, or those named; return an exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="environments (default: all)")
    names = parser.parse_args().names
    known = list(environments())
    if unknown := set(names) - {each.name for each in known}:
        parser.error(f"there is no {min(unknown)!r}: {', '.join(e.name for e in known)}")
    results = {}
    for environment in known:
        if not names or environment.name in names:
            print(f"== {environment.name}", flush=True)
            results[environment.name] = test(make(environment))
    for name, passed in results.items():
        print(f"{name}: {'passed' if passed else 'FAILED'}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
