"""List the public names of the Python packages; run it to renew docs/api.md."""

import importlib
import inspect
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).with_name("api.md")
PACKAGES = {
    "boldglm": "Images in, images out",
    "boldglm.glm": "Arrays in, arrays out",
    "boldglm.workflows": "nipype workflows",
    "boldglm.interfaces": "nipype interfaces",
}
INTRODUCTION = """\
# Public names

What Python programs can rely on. `help(boldglm.FirstLevel)` shows the documentation of a name,
with parameters, units and examples. The site has a page for each. [Use it from
Python](guides/python.md) shows how they go together.
"""


class PublicName(NamedTuple):
    """A function or class that a package exports."""

    package: str
    name: str
    thing: Any

    @property
    def path(self) -> str:
        """Return the dotted name."""
        return f"{self.package}.{self.name}"

    @property
    def is_class(self) -> bool:
        """Tell whether it is a class."""
        return inspect.isclass(self.thing)

    @property
    def summary(self) -> str:
        """Return the first line of the documentation."""
        return (inspect.getdoc(self.thing) or "").partition("\n")[0]


def public_names() -> list[PublicName]:
    """Return the functions and classes of all packages, in the order of the page."""
    names = []
    for package in PACKAGES:
        module = importlib.import_module(package)
        things = ((name, getattr(module, name)) for name in sorted(module.__all__, key=str.lower))
        names += [PublicName(package, name, thing) for name, thing in things if callable(thing)]
    return names


def api_page() -> str:
    """Return the text of docs/api.md."""
    lines = [INTRODUCTION]
    for package, title in PACKAGES.items():
        lines += [f"## {title}: `{package}`", "", "| name | |", "|---|---|"]
        lines += [
            f"| `{name.path}` | {name.summary} |"
            for name in public_names()
            if name.package == package
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(api_page(), encoding="utf-8")
