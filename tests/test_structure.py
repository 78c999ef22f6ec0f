"""Rules about the whole code: imports point one way, a file is one idea, names are documented."""

import ast
import inspect
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "hierseg_learn"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_CODE_LINES = 500
MAX_FILES = 191

# What each part of the package may import of the others, in the order of the data flow: images and
# trees below, the table between the transformer and the classifier, and the users of fitted models
# on top. "hierseg_learn" stands for the public names at the root.
FOUNDATION = {"tree", "kernels", "images", "networks", "base", "utils"}
TO_TABLE = FOUNDATION | {"table", "descriptors", "parts", "segmentation", "metrics"}
FROM_TABLE = {"tree", "kernels", "table", "metrics", "explain", "utils"}
FITTED = TO_TABLE | FROM_TABLE | {"transformer", "classifier", "fitted"}
MAY_IMPORT = {
    "utils": {"_version"},
    "tree": {"utils"},
    "kernels": {"utils"},
    "images": {"utils"},
    "networks": {"images", "kernels", "utils"},
    "base": {"images", "utils"},
    "table": {"images", "tree", "utils"},
    "descriptors": FOUNDATION,
    "parts": FOUNDATION | {"descriptors"},
    "segmentation": FOUNDATION | {"descriptors", "parts"},
    "metrics": {"tree", "kernels", "table", "utils"},
    "explain": {"tree", "table", "metrics", "utils"},
    "transformer": TO_TABLE | {"_version"},
    "classifier": FROM_TABLE,
    "compositing": {"images", "tree", "utils"},
    "datasets": {"images", "tree", "compositing", "utils"},
    "fitted": FITTED - {"fitted"},
    "displays": {"images", "tree", "explain", "fitted", "utils"},
    "what_if": FITTED | {"compositing"},
    "audit": FITTED,
    "sampling": FITTED | {"compositing", "audit"},
    "report": FITTED | {"displays", "audit", "_version"},
    "model_selection": FITTED,
    "demo": {"hierseg_learn", "datasets", "displays", "explain", "utils"},
    "command": FITTED | {"hierseg_learn", "audit", "datasets", "demo", "report"},
    "__main__": {"command"},
    "hierseg_learn": {"_version", "tree", "images", "transformer", "classifier"},
    "_version": set(),
}

# Third-party packages that only some files may import, or only inside a function.
ONLY_IN = {"numba": "kernels", "cupy": "kernels", "imblearn": "sampling"}
ONLY_INSIDE_FUNCTIONS = {
    "dask",
    "distributed",
    "higra",
    "matplotlib",
    "metric_learn",
    "onnxruntime",
    "pandas",
    "polars",
    "pycocotools",
    "pynndescent",
    "timm",
    "torch",
    "transformers",
}


class Imports(ast.NodeVisitor):
    """Everything that a file imports: (dotted name, "now", "late" or "typing")."""

    def __init__(self, path):
        self.package = path.relative_to(REPOSITORY).parts[:-1]
        self.when = "now"
        self.found = []
        self.visit(ast.parse(path.read_text(encoding="utf-8")))

    def visit_Import(self, node):
        self.found += [(alias.name, self.when) for alias in node.names]

    def visit_ImportFrom(self, node):
        module = self.absolute("." * node.level + (node.module or ""))
        self.found += [(f"{module}.{alias.name}", self.when) for alias in node.names]

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("import_module", "__import__") and isinstance(node.args[0], ast.Constant):
            self.found.append((self.absolute(node.args[0].value), self.when))
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.visit_within(node, "late")

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_If(self, node):
        if ast.unparse(node.test).endswith("TYPE_CHECKING"):
            self.visit_within(node, "typing")
        else:
            self.generic_visit(node)

    def visit_within(self, node, when):
        before, self.when = self.when, when
        self.generic_visit(node)
        self.when = before

    def absolute(self, name):
        dots = len(name) - len(name.lstrip("."))
        if not dots:
            return name
        parts = [*self.package[: len(self.package) - dots + 1], name[dots:]]
        return ".".join(part for part in parts if part)


def own_part(dotted):
    """The part of the package that a dotted name leads to; None for other packages."""
    root, _, rest = dotted.partition(".")
    if root != PACKAGE.name:
        return None
    part = rest.partition(".")[0]
    is_part = part and ((PACKAGE / f"{part}.py").is_file() or (PACKAGE / part).is_dir())
    return part if is_part else PACKAGE.name


def part_of(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return PACKAGE.name if part == "__init__" else part


def links():
    """For every part: the other parts that its files import, at any time."""
    graph = {part_of(path): set() for path in FILES}
    for path in FILES:
        graph[part_of(path)] |= {own_part(name) for name, _ in Imports(path).found}
    return {part: known - {part, None} for part, known in graph.items()}


GRAPH = links()
PARTS = sorted(GRAPH)


def code_lines(path):
    """Numbers of the lines that hold code: not blank, no comment, no docstring."""
    text = path.read_text(encoding="utf-8")
    lines = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            lines -= set(range(first.lineno, first.end_lineno + 1))
    return lines


def relative(path):
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("part", PARTS)
def test_imports_point_one_way(part):
    assert part in MAY_IMPORT, f"say in MAY_IMPORT what {part} may import"
    assert GRAPH[part] <= MAY_IMPORT[part]


def module_of(path):
    """Dotted name of a file."""
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def own_module(dotted, modules):
    """The file that a dotted name leads to, itself or the one that it is a name of."""
    return next((name for name in (dotted, dotted.rpartition(".")[0]) if name in modules), None)


def circles(graph):
    """Names that lead back to themselves."""
    reach = {name: set(known) for name, known in graph.items()}
    for middle in reach:
        for known in reach.values():
            if middle in known:
                known |= reach[middle]
    return sorted(name for name in reach if name in reach[name])


def test_no_file_imports_itself_through_others():
    """Typing included: an object and the code that draws it are one idea, or independent."""
    modules = {module_of(path) for path in FILES}
    graph = {
        module_of(path): {own_module(name, modules) for name, _ in Imports(path).found}
        - {None, module_of(path)}
        for path in FILES
    }
    assert not circles(graph)


def test_no_part_imports_itself_through_others():
    assert not circles(GRAPH)


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]


def test_nothing_private_lies_at_the_root():
    assert {path.name for path in PACKAGE.glob("_*.py")} == {
        "__init__.py",
        "__main__.py",
        "_version.py",
    }


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_private_modules_belong_to_their_package(path):
    modules = {module_of(other) for other in FILES}
    for dotted, _ in Imports(path).found:
        module = own_module(dotted, modules)
        if module and own_part(module) not in (part_of(path), "_version"):
            assert "._" not in module, f"{module} is private to its package"


def test_there_are_few_rooms():
    assert len(FILES) <= MAX_FILES


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_third_party_imports(path):
    for dotted, when in Imports(path).found:
        top = dotted.partition(".")[0]
        if top in ONLY_IN:
            assert part_of(path) == ONLY_IN[top], f"{top} is imported"
        if top in ONLY_INSIDE_FUNCTIONS:
            assert when != "now", f"{top} is imported when the module is"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_are_of_one_idea(path):
    assert len(code_lines(path)) <= MAX_CODE_LINES


def test_code_lines_leave_out_prose(tmp_path):
    path = tmp_path / "toy.py"
    path.write_text('"""One.\n\nTwo.\n"""\n# why\nx = (\n    1\n)\n\ny = 2  # why\n')
    assert code_lines(path) == {6, 7, 8, 10}


def test_collector_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    path = tmp_path / "hierseg_learn" / "tree" / "_toy.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import numba.core\n"
        "from ..images import check_images\n"
        "from . import _build\n"
        "if TYPE_CHECKING:\n    import pandas\n"
        "class A:\n    import scipy\n    def f(self):\n        from .. import base\n"
        "x = lambda: import_module('.dispatch', __package__)\n"
    )
    assert Imports(path).found == [
        ("numba.core", "now"),
        ("hierseg_learn.images.check_images", "now"),
        ("hierseg_learn.tree._build", "now"),
        ("pandas", "typing"),
        ("scipy", "now"),
        ("hierseg_learn.base", "late"),
        ("hierseg_learn.tree.dispatch", "late"),
    ]


def public_objects():
    """Every class and function in an `__all__`, once, by its shortest name."""
    names = [PACKAGE.name] + [f"{PACKAGE.name}.{part}" for part in PARTS if part != PACKAGE.name]
    objects = {}
    for name in names:
        module = import_module(name)
        for member in getattr(module, "__all__", ()):
            thing = getattr(module, member)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                objects.setdefault(thing, f"{name}.{member}")
    return [pytest.param(thing, id=name) for thing, name in objects.items()]


def sections(docstring):
    """Lines of each section of a numpydoc docstring, by the section's title."""
    pieces = re.split(r"^(\w[\w ]*)\n-{3,}$", docstring, flags=re.MULTILINE)
    return {title: body.splitlines() for title, body in zip(pieces[1::2], pieces[2::2])}


@pytest.mark.parametrize("thing", public_objects())
def test_public_objects_are_documented(thing):
    docstring = inspect.getdoc(thing)
    assert docstring
    documented = sections(docstring)
    heads = [line for line in documented.get("Parameters", ()) if re.match(r"[\w*]", line)]
    names = [name for head in heads for name in head.partition(" : ")[0].split(", ")]
    assert [name.lstrip("*") for name in names] == list(inspect.signature(thing).parameters)
    assert any(">>> " in line for line in documented.get("Examples", ()))


MACHINE_PATH = re.compile(r"(?<![\w.:/*-])/(home|root|tmp|Users|work|workspace)/|[A-Z]:.{1,2}Users")
TEXT_SUFFIXES = {".cff", ".cfg", ".ipynb", ".json", ".md", ".py", ".rst", ".toml", ".txt", ""}
FOLDERS = (".ci", "benchmarks", "docs", "examples", "hierseg_learn", "tests")
GENERATED = re.compile(r"docs/(_build|auto_examples|api/generated)/|__pycache__/|^\.git$")


def test_no_file_names_a_path_of_one_machine():
    paths = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*")]
    paths += REPOSITORY.glob("*")
    found = [
        f"{relative(path)}: {line.strip()}"
        for path in paths
        if path.is_file() and path.suffix in TEXT_SUFFIXES and not GENERATED.search(relative(path))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if MACHINE_PATH.search(line)
    ]
    assert not found


def test_oldest_versions_are_those_of_pyproject():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"]]
    for extra in ("plot", "imbalance", "onnx", "coco"):
        needed += extras[extra]
    minimums = dict(requirement.split(">=") for requirement in needed)
    lines = (REPOSITORY / ".ci" / "oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert pins == {name: f"{version}.*" for name, version in minimums.items()}
