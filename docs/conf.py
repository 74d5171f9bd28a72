"""Settings of the documentation site, which `make docs` builds with Sphinx.

The pages are plain Markdown that a forge shows as well. What only the site needs is added here
while it reads them: the order of the pages, links into the repository, and one page for each
public name.
"""

import os
import re
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("NO_ET", "1")  # nipype asks nobody for its latest version

import boldglm
from public_names import public_names

project = "boldglm"
author = "The boldglm developers"
copyright = author
release = version = boldglm.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
highlight_language = "none"  # of blocks without one
default_role = "py:obj"  # `fit` in a docstring is a link, where there is a page

autodoc_typehints = "none"  # numpydoc has the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "boldglm"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {page: [] for page in ("index", "get_started", "coming_from", "questions")}

# numpydoc reads docstrings a second time for their signatures, before `take_ports`.
warnings.filterwarnings("ignore", "Unknown section (Inputs|Outputs)")

ports = {}  # of docstrings, between two steps
REPOSITORY = "https://github.com/boldglm/boldglm/blob/main"
DOCS = Path(__file__).parent
INTERFACES = "boldglm.interfaces"  # their parameters are traits, listed by nipype

# The pages below each page, in the order of the menus.
NAVIGATION = {
    "index": (
        "get_started",
        "usage",
        "explanations",
        "coming_from",
        "reference",
        "questions",
        "development",
    ),
    "usage": (
        "guides/fmriprep",
        "guides/raw_data",
        "guides/surfaces",
        "guides/participants_and_runs",
        "guides/events",
        "guides/default_model",
        "guides/planning",
        "guides/model_files",
        "guides/confounds",
        "guides/fit",
        "guides/single_trials",
        "guides/maps_and_reports",
        "guides/group",
        "guides/first_levels",
        "guides/regions",
        "guides/several_analyses",
        "guides/computers",
        "clusters",
        "guides/python",
    ),
    "explanations": (
        "explanations/many_voxels",
        "explanations/correlated_regressors",
        "explanations/noise_models",
        "method",
    ),
    "reference": (
        "outputs",
        "api",
        "calibration",
        "group_calibration",
        "benchmarks",
        "scaling",
        "robustness",
    ),
    "development": ("design", "releasing"),
}
MENU_TITLES = {"usage": "Guides", "coming_from": "Coming from …", "questions": "Questions"}


def write_api_pages(app):
    """Write one page for each public name, with its docstring."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    for public in public_names():
        kind = "class" if public.is_class else "function"
        members = "   :members:\n" if public.is_class and public.package != INTERFACES else ""
        page = (
            f"{public.name}\n{'=' * len(public.name)}\n\n"
            f".. currentmodule:: {public.package}\n\n.. auto{kind}:: {public.path}\n{members}"
        )
        path = folder / f"{public.path}.rst"
        if not path.is_file() or path.read_text(encoding="utf-8") != page:
            path.write_text(page, encoding="utf-8")


def menu(pages):
    """Return a hidden table of contents in MyST's words."""
    entries = [f"{MENU_TITLES[page]} <{page}>" if page in MENU_TITLES else page for page in pages]
    return "\n".join(("\n```{toctree}", ":hidden:", "", *entries, "```", ""))


def repository_links(page, text):
    """Return the text with links to files outside of the documents as addresses."""
    folder = (DOCS / page).parent

    def address(match):
        target = Path(os.path.normpath(folder / match[1]))
        if target.is_relative_to(DOCS):
            return match[0]
        return f"]({REPOSITORY}/{target.relative_to(DOCS.parent).as_posix()}{match[2]})"

    return re.sub(r"\]\((\.\./[^)#\s]+)((?:#[^)\s]*)?)\)", address, text)


def complete_page(app, page, source):
    """Add to a Markdown page what only the site needs."""
    if not (Path(app.srcdir) / f"{page}.md").is_file():
        return
    text = repository_links(page, source[0])
    text = re.sub(r"\n\n```$", "\n```", text, flags=re.MULTILINE)  # the blank line is for doctest
    pages = NAVIGATION.get(page, ())
    if page == "api":
        pages = tuple(f"api/{public.path}" for public in public_names())
        text = re.sub(r"^\| `([\w.]+)` \|", r"| [`\1`](api/\1.rst) |", text, flags=re.MULTILINE)
    source[0] = text + (menu(pages) if pages else "")


def take_ports(app, what, name, thing, options, lines):
    """Take inputs and outputs out of a docstring, because numpydoc has no such sections."""
    for title in ("Inputs", "Outputs"):
        if title not in lines:
            continue
        start = lines.index(title)
        headings = (k for k in range(start + 2, len(lines) - 1) if set(lines[k + 1]) == {"-"})
        end = next(headings, len(lines))
        ports.setdefault(name, []).extend(
            (f".. rubric:: {title}", "", *lines[start + 2 : end], "")
        )
        del lines[start:end]


def list_ports(app, what, name, thing, options, lines):
    """Put the inputs and outputs of a workflow or an interface at the end."""
    lines += ports.pop(name, [])
    if name.startswith(f"{INTERFACES}.") and what == "class":
        for title, spec in (("Inputs", thing.input_spec()), ("Outputs", thing.output_spec())):
            lines += ["", f".. rubric:: {title}", ""]
            for port in sorted(spec.copyable_trait_names()):
                described = (spec.trait(port).desc or "").replace("*", "\\*")
                needed = "" if not spec.trait(port).mandatory else " (mandatory)"
                lines.append(
                    f"- ``{port}``{needed}: {described}" if described else f"- ``{port}``{needed}"
                )


def setup(app):
    """Connect the additions to Sphinx; numpydoc has the priority 500."""
    app.connect("builder-inited", write_api_pages)
    app.connect("source-read", complete_page)
    app.connect("autodoc-process-docstring", take_ports, priority=400)
    app.connect("autodoc-process-docstring", list_ports, priority=600)
    return {"parallel_read_safe": True}
