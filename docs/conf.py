"""How the documentation is built: ``make docs`` writes it into ``build/docs``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

import petiole  # noqa: E402

project = "Petiole"
author = "The Petiole developers"
copyright = "The Petiole developers, Apache-2.0"
version = release = petiole.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "extensions.generated",
]
smartquotes_action = "D"  # dashes; quotation marks stay as they are typed
nitpicky = True
nitpick_ignore = [("py:class", "petiole.record.Record"), ("py:class", "petiole.bench.latency.K")]
# Other projects' documentation is not asked: a build needs no network.
nitpick_ignore_regex = [(r"py:.*", r"(torch|numpy|np|nn|pathlib|collections|pydantic|typing)\..*")]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
add_module_names = False
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"Petiole {version}"
html_static_path = ["_static"]
html_css_files = ["petiole.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#8a4b08", "color-brand-content": "#8a4b08"},
    "dark_css_variables": {"color-brand-primary": "#f0b35a", "color-brand-content": "#f0b35a"},
}
