"""The version of the build, from the tags of git; of sources alone, that of the next release."""

from importlib import import_module

RELEASE = "0.2.0"  # the release that this source is, or will be

try:  # by name: linters that find no such file take the import for one of the whole package
    __version__: str = import_module("boldglm._build_version").__version__
except ModuleNotFoundError:  # the sources were not installed
    __version__ = f"{RELEASE}.dev0"
