"""Which files are taken as pictures, and which are refused."""

import base64
import gzip
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from chalicelib.aws import client
from chalicelib.catalog.images.processing import InvalidImage
from chalicelib.catalog.images.validation import MAX_SIZE, check_picture, process_file, upload_picture
from chalicelib.catalog.import_export.importer import load_catalog
from chalicelib.catalog.models import Product
from chalicelib.config import settings
from tests.catalog.images.image_factory import encoded, photo, png_that_claims

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'
WHERE = 0x8825  # the part of EXIF that holds the place


def from_a_phone(kind: str = "JPEG", mode: str = "RGB", size: tuple[int, int] = (600, 400)) -> bytes:
    """Make a photograph that tells camera and place, held upside down."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 3, "A camera"
    exif.get_ifd(WHERE)[1], exif.get_ifd(WHERE)[2] = "N", (52.0, 31.0, 12.0)
    return encoded(photo(*size, mode), kind, exif=exif)


def embedded(body: bytes) -> str:
    """Write a picture into an SVG."""
    return f'<image href="data:image/jpeg;base64,{base64.b64encode(body).decode()}"/>'


@pytest.mark.parametrize(
    "inside",
    [
        "",
        '<path d="M0 0h1v1z"/>',
        '<defs><g id="a"/></defs><use href="#a"/><use xlink:href="#a"/>',
        embedded(encoded(photo(8, 8))),
        "<style>.shade { fill: url(#shade) }</style>",
        '<rect fill="url(#shade)"/><title>A cup &amp; a saucer</title>',
        '<x:namedview xmlns:x="http://example.com/editor" x:zoom="1"/>',
        "<!-- drawn by hand -->",
    ],
)
def test_a_plain_svg_is_taken(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "cup.svg"
    file.write_text('<?xml version="1.0" encoding="UTF-8"?>\n' + SVG.format(inside))
    assert check_picture(file).startswith("pictures/")
    assert check_picture(file).endswith(".svg")


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<SCRIPT>alert(1)</SCRIPT>",
        '<s:script xmlns:s="http://www.w3.org/2000/svg">alert(1)</s:script>',
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
        '<g onload="alert(1)"/>',
        '<g ONCLICK="alert(1)"/>',
        "<foreignObject><p/></foreignObject>",
        '<a href="javascript:alert(1)"><path/></a>',
        '<a xlink:href=" java&#9;script:alert(1)"><path/></a>',
        '<use href="https://elsewhere.example/x.svg#a"/>',
        '<image href="//elsewhere.example/x.png"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        '<a href="data:text/html,x"/>',
        '<set attributeName="href" to="javascript:alert(1)"/>',
        '<animate attributeName="href" values="javascript:alert(1)"/>',
        '<?xml-stylesheet href="x.xsl"?>',
        "<style>@import 'https://elsewhere.example/x.css';</style>",
        "<style>rect { fill: url(https://elsewhere.example/x.svg#a) }</style>",
        "<style>rect { fill: u\\72l(https://elsewhere.example/x.svg#a) }</style>",
        "<style>@im<!-- -->port 'https://elsewhere.example/x.css';</style>",
        "<style>@im<style>x</style>port 'https://elsewhere.example/x.css';</style>",
        "<style>@im<g/>port 'https://elsewhere.example/x.css';</style>",
        '<rect style="fill: url( //elsewhere.example/x.svg#a )"/>',
        '<rect fill="url(https://elsewhere.example/x.svg#a)"/>',
        '<image href="data:image/png;base64,iVBORw0KGgo="/>',
    ],
)
def test_an_svg_that_does_more_than_show_is_refused(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(SVG.format(inside))
    with pytest.raises(InvalidImage, match="plain SVG"):
        check_picture(file)


def test_an_svg_in_another_encoding_is_looked_through_too(tmp_path: Path) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(SVG.format("<script>alert(1)</script>"), encoding="utf-16")
    with pytest.raises(InvalidImage, match="plain SVG"):
        check_picture(file)


EDITED = """<?xml version="1.0" encoding="{}" standalone="no"?>
<!-- drawn by Erika -->
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xml:lang="de" xml:base="/home/erika/"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:ink="http://editor.example/erika" viewBox="0 0 8 8"
  ink:export-filename="/home/erika/cup.png" xmlns:s="http://www.w3.org/2000/svg">
  <title>A cup &amp; Süßes <!-- Erika -->&lt;2</title>
  <metadata><rdf:RDF><rdf:Description>Erika, 52.5 N<metadata/></rdf:Description></rdf:RDF></metadata>
  <ink:view ink:path="/home/erika"><path d="M1 1"/></ink:view>
  <style><![CDATA[ g > path {{ fill: url(#a) }} ]]></style>
  <g ink:label="Erika" id="a&quot;&#10;b"><path d="M0 0h8v8z"/><s:use xlink:href="#a"/><!-- Erika --></g>
  <view xmlns="http://editor.example/erika">Erika<svg xmlns="http://www.w3.org/2000/svg"/></view>
</svg>
<!-- Erika -->
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_an_svgs_metadata_is_removed(encoding: str) -> None:
    picture = process_file(EDITED.format(encoding).encode(encoding))

    (body,) = picture.files.values()
    assert process_file(body) == picture
    text = body.decode()
    for told in ("rika", "52.5", "editor.example", "rdf", "xml:base", "<!--"):
        assert told not in text
    root = ElementTree.fromstring(text)  # noqa: S314 - written above
    space = "{http://www.w3.org/2000/svg}"
    assert root.attrib == {"viewBox": "0 0 8 8", "{http://www.w3.org/XML/1998/namespace}lang": "de"}
    assert [each.tag for each in root.iter()] == [
        f"{space}{tag}" for tag in ("svg", "title", "style", "g", "path", "use")
    ]
    title, style, group = root
    assert title.text == "A cup & Süßes <2"
    assert style.text == " g > path { fill: url(#a) } "
    assert group.attrib == {"id": 'a"\nb'}
    assert group[0].attrib == {"d": "M0 0h8v8z"}
    assert group[1].attrib == {"{http://www.w3.org/1999/xlink}href": "#a"}


def test_the_demos_drawings_lose_their_comments_alone() -> None:
    drawings = sorted(Path("infra/local/demo/pictures").glob("*.svg"))
    assert drawings
    for drawing in drawings:
        (body,) = process_file(drawing.read_bytes()).files.values()
        canonical = ElementTree.canonicalize(drawing.read_text("utf-8"), with_comments=False)
        assert ElementTree.canonicalize(body.decode(), with_comments=True) == canonical, drawing.name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<svg>",
        "<svg/>",
        "<html xmlns='http://www.w3.org/1999/xhtml'/>",
        "plain words",
        '<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
        SVG.format("<g>"),
        SVG.format("&nbsp;"),
    ],
)
def test_a_file_that_is_no_svg_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(text)
    with pytest.raises(InvalidImage, match=r"cup\.svg"):
        check_picture(file)


@pytest.mark.parametrize(
    "inside", [embedded(from_a_phone()), embedded(encoded(photo(8, 8), comment=b"by Erika"))]
)
def test_a_photograph_inside_an_svg_loses_its_metadata(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(SVG.format(inside))
    with pytest.raises(InvalidImage, match="camera, location or people"):
        check_picture(file)


@pytest.mark.parametrize(
    ("kind", "mode", "size"),
    [
        ("JPEG", "RGB", (600, 400)),
        ("JPEG", "CMYK", (600, 400)),
        ("PNG", "RGB", (600, 400)),
        ("WEBP", "RGB", (600, 400)),
        ("AVIF", "RGB", (600, 400)),
        ("JPEG", "RGB", (7000, 7000)),
    ],
)
@pytest.mark.parametrize("name", ["cup.jpg", "cup.PNG", "cup"])
def test_a_photograph_beside_a_catalog_file_gets_what_staffs_upload_gets(
    aws: object, tmp_path: Path, kind: str, mode: str, size: tuple[int, int], name: str
) -> None:
    if size == (7000, 7000) and name != "cup.jpg":
        return
    file = tmp_path / name
    file.write_bytes(from_a_phone(kind, mode, size))

    key = check_picture(file)
    assert upload_picture(file, key)

    assert key == process_file(file.read_bytes()).key
    stored = client("s3").list_objects_v2(Bucket=settings.media_bucket)["Contents"]
    for each in stored:
        answer = client("s3").get_object(Bucket=settings.media_bucket, Key=each["Key"])
        body = answer["Body"].read()
        image = Image.open(io.BytesIO(body))
        assert answer["ContentType"] == "image/webp"
        assert (image.format, image.mode) == ("WEBP", "RGB")
        assert max(image.size) <= 1600
        assert not {"exif", "xmp", "icc_profile", "comment"} & set(image.info)
        assert b"A camera" not in body


def test_a_catalog_file_publishes_no_photograph_as_it_came(aws: object, tmp_path: Path) -> None:
    (tmp_path / "cup.jpg").write_bytes(from_a_phone(size=(1200, 900)))
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(catalog("cup.jpg")))

    load_catalog(file)

    stored = client("s3").list_objects_v2(Bucket=settings.media_bucket)["Contents"]
    bodies = [
        client("s3").get_object(Bucket=settings.media_bucket, Key=each["Key"])["Body"].read()
        for each in stored
    ]
    assert sorted(Image.open(io.BytesIO(body)).width for body in bodies) == [480, 960, 1200]
    assert not any(b"A camera" in body for body in bodies)
    assert Product.get("cup").pictures[0]["key"] in [each["Key"] for each in stored]


def catalog(picture: str) -> dict[str, object]:
    """Describe a shop with one product, which has a picture."""
    cup = {
        "slug": "cup",
        "name": "Cup",
        "category": "tea",
        "pictures": [{"file": picture, "alt": "A cup"}],
        "variants": [{"sku": "CUP", "price": "5", "stock": 1}],
    }
    return {"categories": [{"slug": "tea", "name": "Tea"}], "products": [cup]}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("cup.png", b"GIF89a", "isn’t a supported image"),
        ("cup.webp", b"<html>", "isn’t an SVG"),
        ("cup.avif", b"", "isn’t a supported image"),
        ("cup.html", b"<svg/>", "isn’t an SVG"),
        ("cup.heic", b"\0\0\0\x18ftypheic" + b"\0" * 30, "HEIC"),
        ("cup.jpg", from_a_phone()[:-900], "damaged or incomplete"),
        ("cup.png", png_that_claims(60_000, 60_000), "million pixels"),
        ("cup.png", encoded(photo(8, 8), "PNG") + b"\x00" * MAX_SIZE, "larger than 8 MB"),
        ("cup.svg", (SVG.format(" " * 500 * 1024)).encode(), "larger than 500 KB"),
        ("cup.svgz", gzip.compress(SVG.format("").encode(), mtime=0), "isn’t a supported image"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(InvalidImage, match=f"{name}.*{words}"):
        check_picture(file)


def test_a_folder_or_nothing_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "cup.svg").mkdir()
    for name in ("cup.svg", "none.svg"):
        with pytest.raises(InvalidImage):
            check_picture(tmp_path / name)


def test_a_picture_that_changes_meanwhile_is_not_stored_under_the_old_name(
    aws: object, tmp_path: Path
) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(SVG.format(""))
    key = check_picture(file)
    file.write_text(SVG.format("<g/>"))
    with pytest.raises(InvalidImage, match="was changed"):
        upload_picture(file, key)
