"""The report that a person reads: plain data, figures and one self-contained HTML file.

`content` says what a report holds (dataclasses, no matplotlib), `designs` and `maps` draw
arrays into files, `peaks` lists where a map is largest, and `html` puts everything into one
file that needs neither network nor a folder beside it.
"""
