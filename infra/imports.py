"""Which modules of ours a file needs, found by reading its imports, not by running them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


class ForeignImportError(Exception):
    """A file that must do with the standard library imports something else."""


def modules_needed(*, entry: Path, root: Path) -> list[Path]:
    """The files below `root` that `entry` imports, however deep, itself included, sorted.

    Packages on the way count, for their ``__init__.py`` runs too. Imports for type checkers alone do not.

    Raises:
        ForeignImportError: an import leads neither to `root` nor to the standard library.
    """
    found: set[Path] = set()
    waiting = [entry]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        waiting.extend(_imported_files(file, root))
    return sorted(found)


def _imported_files(file: Path, root: Path) -> Iterator[Path]:
    for module, names in _imports(file, root):
        top = module.partition(".")[0]
        if not _resolve(top, root):
            if top in sys.stdlib_module_names:
                continue
            raise ForeignImportError(
                f"{file.relative_to(root)} imports {module}, which its bundle will not hold"
            )
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            yield from _resolve(".".join(parts[:depth]), root)
        for name in names:
            yield from _resolve(f"{module}.{name}", root)


def _resolve(module: str, root: Path) -> list[Path]:
    base = root.joinpath(*module.split("."))
    return [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]


def _imports(file: Path, root: Path) -> Iterator[tuple[str, list[str]]]:
    tree = ast.parse(file.read_bytes(), filename=str(file))
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield _absolute(node, file, root), [alias.name for alias in node.names]


def _absolute(node: ast.ImportFrom, file: Path, root: Path) -> str:
    package = file.relative_to(root).parent.parts
    base = package[: len(package) - node.level + 1] if node.level else ()
    return ".".join((*base, *(node.module.split(".") if node.module else ())))


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    children: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = list(node.orelse)
    for child in children:
        yield from _walk(child)
