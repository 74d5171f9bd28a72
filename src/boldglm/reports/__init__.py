"""Reports: plain data to figures and one self-contained HTML file.

`content` has the dataclasses of a report, `designs`, `heatmaps` and `maps` draw arrays into
files, `peaks` lists the peaks of a map, and `html` puts everything into one file that needs
neither the network nor other files.
"""
