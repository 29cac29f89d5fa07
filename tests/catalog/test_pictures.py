"""Which files are taken as pictures, and which are refused."""

from pathlib import Path

import pytest

from chalicelib.catalog.pictures import NoPicture, check_picture, upload_picture

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.mark.parametrize(
    "inside",
    [
        "",
        '<path d="M0 0h1v1z"/>',
        '<defs><g id="a"/></defs><use href="#a"/><use xlink:href="#a"/>',
        '<image href="data:image/png;base64,iVBORw0KGgo="/>',
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
    ],
)
def test_an_svg_that_does_more_than_show_is_refused(tmp_path: Path, inside: str) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(SVG.format(inside))
    with pytest.raises(NoPicture, match="plain SVG"):
        check_picture(file)


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
def test_what_is_no_svg_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(text)
    with pytest.raises(NoPicture, match=r"cup\.svg"):
        check_picture(file)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cup.png", PNG),
        ("cup.PNG", PNG),
        ("cup.jpg", b"\xff\xd8\xff\xe0rest"),
        ("cup.jpeg", b"\xff\xd8\xff\xe0rest"),
        ("cup.webp", b"RIFF\x10\x00\x00\x00WEBPVP8 "),
        ("cup.avif", b"\x00\x00\x00\x20ftypavif"),
    ],
)
def test_photographs_are_taken(tmp_path: Path, name: str, data: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    assert check_picture(file).endswith(name.lower().removeprefix("cup"))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cup.png", b"GIF89a"),
        ("cup.jpg", PNG),
        ("cup.webp", b"<html>"),
        ("cup.avif", b""),
        ("cup.gif", b"GIF89a"),
        ("cup.html", b"<svg/>"),
        ("cup", PNG),
        ("cup.png", PNG + b"\x00" * 5 * 1024 * 1024),
        ("cup.svg", (SVG.format(" " * 500 * 1024)).encode()),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(NoPicture, match="cup"):
        check_picture(file)


def test_a_folder_or_nothing_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "cup.svg").mkdir()
    for name in ("cup.svg", "none.svg"):
        with pytest.raises(NoPicture):
            check_picture(tmp_path / name)


def test_a_picture_that_changes_meanwhile_is_not_stored_under_the_old_name(
    aws: object, tmp_path: Path
) -> None:
    file = tmp_path / "cup.svg"
    file.write_text(SVG.format(""))
    key = check_picture(file)
    file.write_text(SVG.format("<g/>"))
    with pytest.raises(NoPicture, match="was changed"):
        upload_picture(file, key)
