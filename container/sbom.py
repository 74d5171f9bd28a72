"""Write what Python packages an image holds, with versions and licenses (CycloneDX 1.5).

    python container/sbom.py SITE_PACKAGES OUTPUT.json

The Debian packages of the base image are listed by `dpkg-query`, their licenses in /usr/share/doc.
"""

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

MOST = 200  # characters; some packages give the whole text as the name of their license


def component(package: Distribution) -> dict[str, Any]:
    """Return the entry of one package."""
    name, version = package.metadata["Name"], package.version
    entry: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name.lower()}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name.lower()}@{version}",
    }
    if licenses := license_names(package):
        entry["licenses"] = licenses
    return entry


def license_names(package: Distribution) -> list[dict[str, Any]]:
    """Return the license: its SPDX expression, else its name, else that of the classifiers."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return [{"expression": expression}]
    classified = [
        text.rpartition(" :: ")[2]
        for text in metadata.get_all("Classifier", [])
        if text.startswith("License ::")
    ]
    written = " ".join((metadata.get("License") or "").split())
    names = classified or ([written[:MOST]] if written not in ("", "UNKNOWN") else [])
    return [{"license": {"name": name}} for name in names]


def main(site_packages: str, output: str) -> None:
    """Write the list."""
    found = {package.metadata["Name"]: package for package in distributions(path=[site_packages])}
    components = [component(found[name]) for name in sorted(found, key=str.lower)]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(found["boldglm"]) | {"type": "application"}},
        "components": [entry for entry in components if entry["name"] != "boldglm"],
    }
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
