"""How the site is built: ``sphinx-build --fail-on-warning docs build/site``."""

import logging
import os
import sys
from pathlib import Path

from sphinx.application import Sphinx

import lstm_bench

sys.path.insert(0, str(Path(__file__).with_name("_extensions")))

project = "lstm-bench"
version = release = lstm_bench.__version__
html_title = f"lstm-bench {release}"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "commands", "records"]

# Pages are Markdown as the repository shows it, too; their headings can be linked to as there.
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # results/README.md: a report's tables have headings of their own level
smartquotes_action = "D"  # dashes alone: what is quoted is mostly typed

# Each build runs the notebooks, which are stored without output. A cell that fails is an error.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_render_markdown_format = "myst"  # which has tables
os.environ["JUPYTER_PATH"] = str(Path(__file__).with_name("_kernel"))  # a kernel that reports errors only
logging.getLogger("traitlets").setLevel(logging.WARNING)  # what starts the kernel would report that it does

# Docstrings: single backticks are shapes and formulas, attributes are a list, types stand in the signature alone.
default_role = "code"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 110
add_module_names = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

LINKS = {
    "](../results/README.md": "](results.md",  # which the site has as a page of its own
    "](index.html)": "](../results/index.html)",  # of results/README.md, which stands beside it
}
"""What links to files elsewhere in the repository are in the site."""


def link_within_the_site(source: list[str]) -> None:
    """Let links that work in the repository work in the site, too."""
    for there, here in LINKS.items():
        source[0] = source[0].replace(there, here)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", lambda app, page, source: link_within_the_site(source))
    app.connect("include-read", lambda app, file, page, source: link_within_the_site(source))
