"""Sphinx configuration; builds without a network (so no intersphinx)."""

import hierseg_learn

project = "hierseg_learn"
author = "The hierseg_learn developers"
copyright = f"2026, {author}"
version = release = hierseg_learn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
# Every link to a page, a heading or a name of this package has to resolve (`make docs` fails on
# warnings). Names of other projects stay words, since their inventories are on the network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(dataclasses|imblearn|json|scipy|skimage|sklearn|skops|torch)\..*"),
    ("py:func", "format"),
]
linkcheck_timeout = 20
linkcheck_anchors_ignore_for_url = [r"https://github\.com/.*"]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
default_role = "literal"

# One page per public package lists its __all__; the root's names are not listed a second time.
autosummary_ignore_module_all = False
autosummary_imported_members = True
autosummary_context = {"root_names": hierseg_learn.__all__}
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}


def skip_what_scikit_learn_documents(app, what, name, thing, skip, options):
    """Leave out methods that estimators inherit from scikit-learn, as `set_output`."""
    from_sklearn = str(getattr(thing, "__module__", "")).startswith("sklearn.")
    return True if from_sklearn else None


def setup(app):
    app.connect("autodoc-skip-member", skip_what_scikit_learn_documents)
