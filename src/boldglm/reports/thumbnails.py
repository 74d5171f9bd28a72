"""Small pictures of maps, for the page of all participants: a few kilobytes each."""

from base64 import b64encode
from dataclasses import dataclass

from boldglm.reports.mosaic import Colors

_GAP = 6  # pixels between the sides of a brain


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture.

    Parameters
    ----------
    png : str
        The file in base 64.
    alt : str
        What the picture shows, for a reader who cannot see it.
    """

    png: str
    alt: str


def thumbnail_of(sides: list[Colors], alt: str) -> Thumbnail:
    """Put the sides of a brain, rows of `palette`, beside each other."""
    from boldglm.reports.glass import beside_each_other
    from boldglm.reports.mosaic import palette
    from boldglm.reports.png import png_bytes

    return Thumbnail(b64encode(png_bytes(beside_each_other(sides, _GAP), palette())).decode(), alt)
