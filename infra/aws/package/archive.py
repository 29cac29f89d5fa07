"""Finish the zip that Chalice made: trim, compile and check it, and pack it reproducibly."""

import importlib.util
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from jinja2 import ModuleLoader

from infra.aws.package.bytecode import COMPILED, UNCHECKED_HASH, bytecode_of, compile_package, is_own
from infra.aws.package.errors import PackageError
from infra.aws.package.trim import files_in, trim

MAX_BYTES = 5_000_000  # of the code; Lambda downloads and unpacks it before a cold start
MAX_PICTURE_BYTES = 9_000_000  # of the layer, which only one function has
CODE, PICTURES = "deployment.zip", "pictures.zip"
ARCHITECTURES = {"arm64": 183, "x86_64": 62}  # Lambda's, as the head of an ELF file numbers machines
# A layer of the one function that makes photographs ready: none of the others ever pays for Pillow.
PICTURE_PARTS = ("PIL", "pillow.libs", "pillow-*.dist-info")
PYTHON_SUFFIX = re.compile(r"\.cpython-\w+-")  # the suffix of a library for one version of Python
ENTRY_BYTES = 76  # of a zip's two headers per entry, beside its name twice
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip


@dataclass(frozen=True)
class Packed:
    """A finished zip: bytes of the file, and of each of its parts."""

    file: Path
    size: int
    parts: Counter[str]


def finish(made: Path, project: Path, services: Collection[str], arch: str, out: Path) -> list[Packed]:
    """Finish what Chalice made of a project; write the zips into `out`. Raises PackageError."""
    with tempfile.TemporaryDirectory(prefix="awning-zip-") as scratch:
        folder = Path(scratch)
        with zipfile.ZipFile(made) as archive:
            archive.extractall(folder)
        trim(folder, services)
        try:
            compile_package(folder, project / "templates")
        except subprocess.CalledProcessError as error:
            raise PackageError(f"The code could not be compiled.\n{error.stderr}") from error
        check(folder, project, arch)
        return _packed(folder, out)


def check(folder: Path, project: Path, arch: str) -> None:
    """Check that an unpacked package has what Lambda needs. Raises PackageError with every name."""
    wrong = [
        *missing_sources(folder, project),
        *missing_bytecode(folder),
        *missing_templates(folder, project / "templates"),
        *foreign_libraries(folder, arch),
    ]
    if wrong:
        raise PackageError("\n".join(wrong))


def missing_sources(folder: Path, project: Path) -> list[str]:
    """List the shop's files that are not in a package."""
    names = [Path("app.py")]
    names += [file.relative_to(project) for file in files_in(project / "chalicelib")]
    return [f"{name} is missing from the zip." for name in names if not (folder / name).is_file()]


def missing_bytecode(folder: Path) -> list[str]:
    """List the modules that Lambda would have to compile, or to check, at each cold start."""
    sources = [file for file in files_in(folder) if file.suffix == ".py"]
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH
    bytecode = [file for file in files_in(folder) if file.suffix == ".pyc"]
    stale = [file for file in bytecode if not file.read_bytes().startswith(head)]
    missing = [
        source
        for source in sources
        # Other packages contain only bytecode.
        if not (is_own(source.relative_to(folder)) and bytecode_of(source, keeps_source=True).is_file())
    ]
    return [
        *(f"{file.relative_to(folder)} is not compiled." for file in missing),
        *(
            f"{file.relative_to(folder)} was not compiled by this Python, or not as unchecked."
            for file in stale
        ),
    ]


def missing_templates(folder: Path, templates: Path) -> list[str]:
    """List the templates that are not in a package."""
    names = [file.relative_to(templates).as_posix() for file in files_in(templates)]
    places = {name: folder / COMPILED / ModuleLoader.get_module_filename(name) for name in names}
    return [
        f"The template {name} is missing from the zip."
        for name, place in places.items()
        if not place.with_suffix(".pyc").is_file()
    ]


def foreign_libraries(folder: Path, arch: str) -> list[str]:
    """List the libraries for another architecture or another Python."""
    libraries = [file for file in files_in(folder) if ".so" in file.suffixes]
    return [
        *(
            f"{file.relative_to(folder)} is not for {arch}."
            for file in libraries
            if machine_of(file.read_bytes()) != ARCHITECTURES[arch]
        ),
        *(
            f"{file.relative_to(folder)} is not for this Python."
            for file in libraries
            if (tag := PYTHON_SUFFIX.search(file.name)) and tag[0] != f".{sys.implementation.cache_tag}-"
        ),
    ]


def machine_of(library: bytes) -> int:
    """Return which machine a library is for, as ELF numbers them."""
    return int.from_bytes(library[18:20], "little")


def pack(files: Iterable[Path], folder: Path, target: Path, below: str = "", most: int = MAX_BYTES) -> Packed:
    """Write a zip that depends only on names and contents. Raises PackageError if it is too large for a cold start."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in files:
            entry = zipfile.ZipInfo(below + file.relative_to(folder).as_posix(), EPOCH)
            entry.external_attr = 0o100644 << 16  # readable by anybody: Lambda is not its owner
            entry.create_system = 3  # Unix, for which the line above is written
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, 9)
        parts: Counter[str] = Counter()
        for entry in archive.infolist():
            name = entry.filename.removeprefix(below).partition("/")[0]
            parts[name] += entry.compress_size + ENTRY_BYTES + 2 * len(entry.filename)
    packed = Packed(target, target.stat().st_size, parts)
    if packed.size > most:
        raise PackageError(
            f"{target.name} has {packed.size:,} bytes; at most {most:,} are allowed."
            f" Most of it:\n{largest(packed)}"
        )
    return packed


def largest(packed: Packed) -> str:
    """List what takes most of a zip, a line each."""
    return "\n".join(f"{size:>12,}  {name}" for name, size in packed.parts.most_common(10))


def _packed(folder: Path, out: Path) -> list[Packed]:
    code: list[Path] = []
    pictures: list[Path] = []
    for file in files_in(folder):
        (pictures if _is_of_pictures(file.relative_to(folder)) else code).append(file)
    packed = [pack(code, folder, out / CODE)]
    if pictures:
        packed.append(pack(pictures, folder, out / PICTURES, "python/", MAX_PICTURE_BYTES))
    return packed


def _is_of_pictures(name: Path) -> bool:
    return any(fnmatchcase(name.parts[0], part) for part in PICTURE_PARTS)
