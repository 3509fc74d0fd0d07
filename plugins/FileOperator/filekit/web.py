"""The network commands: WebReadFile and DownloadFile."""

from __future__ import annotations

import codecs
import posixpath
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urlsplit

from .arguments import Arguments
from .changing import done
from .desk import Desk
from .folders import holder
from .network import Page, fetch
from .problems import FileProblem
from .reading import MAX_IMAGE, image_result, text_result
from .storing import add_new
from .texts import Text, decode, image_type

__all__ = ["download_file", "visible_text", "web_read_file"]


def _load(desk: Desk, args: Arguments) -> Page:
    if not desk.settings.network:
        raise FileProblem(
            "The network is switched off for this plugin: set ALLOW_NETWORK=true in its "
            "config.env to allow WebReadFile and DownloadFile"
        )
    return fetch(args.text("url"), desk.settings.max_bytes, private=desk.settings.private_network)


def web_read_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """WebReadFile: a text or picture from the web; of HTML the visible text, unless ``raw``."""
    raw = args.flag("raw")
    page = _load(desk, args)
    kind = image_type(page.data)
    if kind and len(page.data) <= MAX_IMAGE:
        return {**image_result(page.url, page.data, kind), "url": page.url}
    text = _decoded(page)
    if text is None:
        message = f"{page.url} is no text but {kind or page.kind} with {len(page.data)} bytes."
        facts = {"binary": True, "mimeType": kind or page.kind, "size": len(page.data)}
        return {"url": page.url, **facts, "message": message + " Save it with DownloadFile."}
    if page.kind in {"text/html", "application/xhtml+xml"} and not raw:
        text = Text(visible_text(text.text), text.codec)
    reply = text_result(page.url, text, len(page.data), args.text("lines", ""))
    return {**reply, "url": page.url, "mimeType": page.kind}


def _decoded(page: Page) -> Text | None:
    if page.charset:
        try:
            name = codecs.lookup(page.charset).name
            return Text(page.data.decode(name, "replace"), name)
        except (LookupError, TypeError, ValueError):
            # A charset nobody knows, or one that is no text encoding.
            return decode(page.data)
    return decode(page.data)


def download_file(desk: Desk, args: Arguments) -> dict[str, Any]:
    """DownloadFile: a file from the web into a root, under a free name."""
    wanted = args.text("filePath", "")
    if wanted:
        place = desk.changeable(args, "filePath")
    else:
        name = unquote(posixpath.basename(urlsplit(args.text("url")).path))
        name = re.sub(r"[^\w. -]", "_", name).strip(". ")[-100:] or "download"
        first = desk.roots.needed()[0].name
        place = desk.roots.place(f"{first}:downloads/{name}", follow=False)
        if place.in_trash:
            raise FileProblem(f"{place.shown} is in the trash: give filePath")
    page = _load(desk, args)
    with holder(place, make=True) as found:
        name = add_new(found, place.name, page.data)
    written = place.beside(name)
    message = f"Downloaded: {page.url} to {written.shown} ({len(page.data)} bytes)."
    if name != place.name:
        message += f" {place.shown} exists and is never overwritten, so a free name was taken."
    log = {"url": page.url, "size": len(page.data)}
    return done(
        args, "DownloadFile", written, message, log, mimeType=page.kind, renamed=name != place.name
    )


_HIDDEN = {"script", "style", "noscript", "template", "svg", "head"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav",
    "ol", "p", "pre", "section", "table", "tr", "ul",
}  # fmt: skip


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title = ""
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN or tag == "title":
            self.inside.append(tag)
        elif tag == "body":
            self.inside.clear()
        if tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in {"td", "th"}:
            self.parts.append("\t")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            del self.inside[len(self.inside) - 1 - self.inside[::-1].index(tag) :]
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] == "title":
            self.title += data
        elif not self.inside:
            self.parts.append(data)


def visible_text(html: str) -> str:
    """The title and the visible text of an HTML page, one line per block.

    Args:
        html: The page.

    Returns:
        Its text, without scripts and styles, blank lines collapsed.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (
        re.sub(r"[ \f\r\v\xa0]+", " ", line).strip() for line in "".join(reader.parts).split("\n")
    )
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    title = " ".join(reader.title.split())
    return f"{title}\n\n{body}\n" if title else f"{body}\n"
