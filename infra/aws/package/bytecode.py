"""Compile an unpacked package: templates to Python, Python to bytecode that is used without checking its source.

`python -m infra.aws.package.bytecode FOLDER TEMPLATES` does it in a process of its own without random hashes;
otherwise sets of strings would be written in another order each time.
"""

import ast
import importlib.util
import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[3]
COMPILED = "compiled_templates"  # where chalicelib/web/templates.py looks for them
OWN = ("app.py", "chalicelib")
UNCHECKED_HASH = (0b01).to_bytes(4, "little")


def compile_package(folder: Path, templates: Path) -> None:
    """Compile an unpacked package and its project's templates. Raises CalledProcessError with the output."""
    command = [sys.executable, "-m", "infra.aws.package.bytecode", str(folder), str(templates)]
    # Nothing of the caller's environment: the shop reads its settings from it.
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True)


def compile_templates(templates: Path, target: Path) -> None:
    """Write one module per template, as the shop's own environment compiles them."""
    from jinja2 import FileSystemLoader

    from chalicelib.web.templates import environment

    own = environment().overlay()
    own.loader = FileSystemLoader(templates)
    own.compile_templates(target, zip=None, ignore_errors=False)


def compile_modules(folder: Path) -> None:
    """Compile every module: our own beside their sources; of other modules and templates only bytecode is kept."""
    for source in sorted(folder.rglob("*.py")):
        name = source.relative_to(folder)
        body = source.read_bytes()
        tree = ast.parse(body, name.as_posix())
        bytecode = bytecode_of(source, keeps_source=is_own(name))
        bytecode.parent.mkdir(exist_ok=True)
        if not is_own(name):
            _undocument(tree)
            source.unlink()
        code = compile(tree, name.as_posix(), "exec", dont_inherit=True, optimize=0)
        head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(body)
        bytecode.write_bytes(head + marshal.dumps(code))


def is_own(name: Path) -> bool:
    """Return whether a module is the shop's own, whose lines a traceback should show."""
    return name.parts[0] in OWN


def bytecode_of(source: Path, *, keeps_source: bool) -> Path:
    """Return the file of a module's bytecode: beside its source, or without one."""
    if keeps_source:
        return Path(importlib.util.cache_from_source(source))
    return source.with_suffix(".pyc")


def _undocument(tree: ast.Module) -> None:
    """Remove the docstrings: a fifth of botocore's bytecode, which each cold start reads."""
    for node in _documented(tree):
        node.body = node.body[1:] or [ast.copy_location(ast.Pass(), node.body[0])]


def _documented(
    tree: ast.Module,
) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            yield node


if __name__ == "__main__":
    package, sources = map(Path, sys.argv[1:])
    if sources.is_dir():
        compile_templates(sources, package / COMPILED)
    compile_modules(package)
