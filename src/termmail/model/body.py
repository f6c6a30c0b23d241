"""The body of a message: its parts as they came, and its text as the message pane shows it."""

from __future__ import annotations

import enum

import msgspec

from termmail.model.message import Envelope


class Part(msgspec.Struct, frozen=True):
    """One leaf of a message's MIME tree, or an attached message (message/rfc822), whose own parts follow it.

    `part_path` numbers parts as IMAP does (RFC 9051 §6.4.5): "1.2". `content_type` is lower case ("text/plain"), `charset` what was
    declared or empty. `filename` is decoded (RFC 2231, RFC 2047) and not yet safe to show or to save. `size` is the decoded length in
    bytes (for base64 reckoned, within two). `disposition` is "inline", "attachment" or empty; `content_id` has no angle brackets.
    """

    part_path: str
    content_type: str
    charset: str = ""
    filename: str = ""
    size: int = 0
    disposition: str = ""
    content_id: str = ""
    is_attachment: bool = False


class HeaderField(msgspec.Struct, frozen=True):
    """One field as the mail has it: `value` is decoded and unfolded, not yet made safe. `name` is empty for a line that is no field."""

    name: str
    value: str


class ParsedMessage(msgspec.Struct, frozen=True):
    """A whole message. `parts` are in the order of the message; `text_part` and `html_part` are the first of their kind that are
    neither attached nor inside an attached message. `defects` holds one sentence for each thing that is wrong with the MIME.
    """

    envelope: Envelope
    headers: tuple[HeaderField, ...]
    parts: tuple[Part, ...]
    text_part: Part | None = None
    html_part: Part | None = None
    attachments: tuple[Part, ...] = ()
    defects: tuple[str, ...] = ()


class Style(enum.Enum):
    """What a span of a message's text is; the theme says how it looks."""

    PLAIN = "plain"
    QUOTE1 = "quote1"
    QUOTE2 = "quote2"
    QUOTE3 = "quote3"
    SIGNATURE = "signature"
    LINK = "link"
    HEADING = "heading"
    EMPHASIS = "emphasis"
    STRONG = "strong"
    CODE = "code"
    DIFF_ADD = "diff+"
    DIFF_REMOVE = "diff-"
    NOTE = "note"
    FAINT = "faint"
    GOOD = "good"
    WARNING = "warning"
    TARGET = "target"
    """Where a link leads, added to what the mail says."""
    DELETED = "deleted"


class Span(msgspec.Struct, frozen=True):
    """A run of text of one style, safe to show, on one line. `link` is the place in Rendered.links of a LINK or TARGET, else -1."""

    text: str
    style: Style = Style.PLAIN
    link: int = -1


class Line(msgspec.Struct, frozen=True):
    """One line of the message pane, no wider than was asked for. `wrapped` says that it goes on in the next one, and `cut` that it does
    so without a blank between the two.

    `quote` is how deep it is quoted. Where `picture` is not -1 the line is row `picture_row` of that place in
    Rendered.pictures, and its text stands for the picture where none is drawn.
    """

    spans: tuple[Span, ...] = ()
    wrapped: bool = False
    quote: int = 0
    picture: int = -1
    picture_row: int = 0
    cut: bool = False

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


class Fold(msgspec.Struct, frozen=True):
    """`count` lines from `first` on that are quoted, and shown as one line until they are asked for."""

    first: int
    count: int


class Picture(msgspec.Struct, frozen=True):
    """A picture in a message's text: the part it is in, or the URL it was loaded from, and its size in the cells of the terminal."""

    part_path: str
    url: str
    columns: int
    rows: int


class Pixels(msgspec.Struct, frozen=True, tag="pixels"):
    """A picture, decoded: three bytes for each pixel, red, green, blue, row by row."""

    width: int
    height: int
    data: bytes


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """A message's text, ready to show: every string in it has passed `safe_text` (D1) or `safe_address` (D2).

    `links` are whole URLs (http, https, mailto only, D8) in the order of the text. `notes` are sentences on what is not shown.
    `source` is "text", "html", or "none" where the message has no text. `protection` says how it is signed or encrypted, empty
    where it is not; nothing of that was checked. `enclosed` is the part_path of the message that came back or else of the first one
    that is enclosed, or empty. `remote` are the URLs of pictures that were not loaded.
    """

    lines: tuple[Line, ...]
    links: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attachments: tuple[Part, ...] = ()
    source: str = "none"
    protection: str = ""
    enclosed: str = ""
    pictures: tuple[Picture, ...] = ()
    remote: tuple[str, ...] = ()
    folds: tuple[Fold, ...] = ()


class RenderFailed(msgspec.Struct, frozen=True, tag="failed"):
    """Rendering was given up; `sentence` says why and what can be done, `detail` is for the log and holds nothing of the mail."""

    sentence: str
    detail: str = ""
