"""The version of the build, from the tags of git; of sources alone, that of the next release."""

RELEASE = "0.2.0"  # the release that this source is, or will be

try:
    from boldglm._build_version import __version__ as __version__
except ModuleNotFoundError:  # the sources were not installed
    __version__ = f"{RELEASE}.dev0"
