"""Which pictures of an HTML part can be shown in the terminal, and how large they are, without decoding any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from termmail.mime.clean_html import Picture as HtmlPicture
from termmail.mime.html_lines import Found
from termmail.mime.image_size import image_size
from termmail.mime.layout import picture_cells
from termmail.mime.links import safe_url
from termmail.mime.structure import Node
from termmail.model.body import Line, Picture

_MAX_SHOWN = 40
_MEASURED = 256 * 1024


class _Source(NamedTuple):
    part_path: str
    url: str
    width: int
    height: int


class PicturePlaces:
    """Finds pictures among the parts of the message at `root`, and among the files of those that were `loaded` from their URLs."""

    def __init__(self, root: Node, loaded: Mapping[str, str]) -> None:
        self._nodes: dict[str, Node] = {node.content_id: node for node in root.walk() if node.content_id}
        self._loaded = loaded
        self._sources: list[_Source] = []

    def find(self, picture: HtmlPicture) -> Found | None:
        """Where a picture of the HTML stands in `pictures`, and its size in pixels as the markup wants it."""
        if len(self._sources) >= _MAX_SHOWN:
            return None
        part_path = url = ""
        if picture.source[:4].lower() == "cid:":
            node = self._nodes.get(picture.source[4:].strip("<> "))
            if node is None:
                return None
            part_path, data = node.path, node.decoded(limit=_MEASURED)
        else:
            url = remote_url(picture.source)
            if url not in self._loaded:
                return None
            try:
                with Path(self._loaded[url]).open("rb") as file:
                    data = file.read(_MEASURED)
            except OSError:
                # Removed by another program meanwhile: it counts among those that were not loaded.
                return None
        size = image_size(data)
        if size is None or not (size[1] and size[2]):
            return None
        width, height = size[1], size[2]
        if picture.width:
            width, height = picture.width, max(1, height * picture.width // width)
        elif picture.height:
            width, height = max(1, width * picture.height // height), picture.height
        self._sources.append(_Source(part_path, url, width, height))
        return Found(len(self._sources) - 1, width, height)

    def pictures(self, lines: Sequence[Line], width: int) -> tuple[Picture, ...]:
        """Those that were found with the cells they take in these lines."""
        rows = [0] * len(self._sources)
        rooms = [width] * len(self._sources)
        for line in lines:
            if line.picture >= 0:
                rows[line.picture] += 1
                rooms[line.picture] = width - 2 * line.quote
        return tuple(
            Picture(source.part_path, source.url, picture_cells(source.width, source.height, max(1, room))[0], count)
            for source, room, count in zip(self._sources, rooms, rows, strict=True)
        )


def remote_url(source: str) -> str:
    """The URL of a picture elsewhere, made whole and safe; empty where it is none."""
    return safe_url(f"https:{source}" if source.startswith("//") else source) or ""
