"""Build wheel and sdist, and test each in an environment of its own (`make packages`).

The sdist is unpacked outside the repository, without git, and has to build the same version. The
README has to render on a package index, with links that lead somewhere from there. Each
environment has the package and what it depends on: `boldglm --version`, a demo from the data to
the group, and tests of the command line and of the graph of a run.
"""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".packages"
TESTS = ("tests/cli/test_parser.py", "tests/cli/test_spec.py", "tests/workflows/test_run_wf.py")
HERE = Path(sys.executable).parent


def run(*command: str | Path, **options: object) -> str:
    """Run a command; return what it prints, or end with it if the command fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"packages.py: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def build() -> tuple[Path, Path]:
    """Build both; return their paths. The wheel is built from the sdist."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    run(HERE / "uv", "build", "--python", sys.executable, "--out-dir", FOLDER, ROOT)
    (wheel,), (sdist,) = FOLDER.glob("*.whl"), FOLDER.glob("*.tar.gz")
    run(HERE / "python", "-m", "twine", "check", "--strict", wheel, sdist)
    return wheel, sdist


def check_wheel(wheel: Path) -> str:
    """Check content and metadata of the wheel; return its version."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (name,) = (name for name in names if name.endswith("METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    strange = [name for name in names if not name.startswith(("boldglm/", "boldglm-"))]
    assert not strange, strange
    assert "boldglm/data/bids_app_spec.json" in names
    relative = re.findall(r"\]\((?!https?://|#)[^)]*\)", str(metadata.get_payload()))
    assert not relative, relative
    return str(metadata["Version"])


def check_rebuilt(sdist: Path, version: str) -> None:
    """Unpack the sdist where there is no git, and check the version that it builds."""
    with tarfile.open(sdist) as archive:
        archive.extractall(FOLDER / "unpacked", filter="data")
    (source,) = (FOLDER / "unpacked").iterdir()
    out = FOLDER / "rebuilt"
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(FOLDER)}
    run(HERE / "uv", "build", "--wheel", "--python", sys.executable, "--out-dir", out, source,
        env=environment)  # fmt: skip
    (wheel,) = out.glob("*.whl")
    assert check_wheel(wheel) == version, wheel


def try_out(package: Path, version: str) -> None:
    """Install a package in an environment of its own, and use it."""
    folder = FOLDER / ("wheel" if package.suffix == ".whl" else "sdist")
    python = folder / "bin" / "python"
    run(HERE / "uv", "venv", "--python", sys.executable, folder)
    run(HERE / "uv", "pip", "install", "--python", python, package)
    elsewhere = FOLDER / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = folder / "bin" / "boldglm"
    shown = run(program, "--version", cwd=elsewhere, env=clean)
    assert shown.split() == ["boldglm", version], shown
    run(program, "demo", elsewhere / folder.name, cwd=elsewhere, env=clean)
    assert list((elsewhere / folder.name).rglob("group.html"))
    run(HERE / "uv", "pip", "install", "--python", python, "pytest", "hypothesis", "boutiques",
        "bsmschema")  # fmt: skip
    print(run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, cwd=ROOT, env=clean))


def main() -> None:
    """Build and test both packages."""
    wheel, sdist = build()
    version = check_wheel(wheel)
    check_rebuilt(sdist, version)
    for package in (wheel, sdist):
        try_out(package, version)
        print(f"{package.name}: works in an environment of its own")


if __name__ == "__main__":
    main()
