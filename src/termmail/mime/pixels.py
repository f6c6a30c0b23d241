"""Pictures of mails to pixels for the terminal, within limits (P5): only in the process that may be killed."""

from __future__ import annotations

import io
import warnings

from termmail.mime.image_size import image_size
from termmail.model.body import Pixels

MAX_BYTES = 24 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 4_000
"""Of the picture that is asked for."""


def decode_picture(data: bytes, width: int, height: int) -> Pixels | None:
    """The picture in `data` scaled to `width` by `height` pixels, on white where it is transparent; None where it can't be shown.

    PNG, GIF (its first frame), JPEG, WebP and BMP of at most `MAX_PIXELS`. Never raises on a bad picture.
    """
    found = image_size(data)
    if found is None or len(data) > MAX_BYTES or not 0 < found[1] * found[2] <= MAX_PIXELS:
        return None
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        return None
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Only the decoder of the format that its first bytes show, whose size was looked at.
            with Image.open(io.BytesIO(data), formats=[found[0].upper()]) as picture:
                picture.draft("RGB", (width * 2, height * 2))
                picture.thumbnail((width * 4, height * 4), Image.Resampling.BOX, reducing_gap=2.0)
                scaled = picture.convert("RGBA").resize((width, height), Image.Resampling.LANCZOS)
        ground = Image.new("RGBA", scaled.size, "white")
        return Pixels(width, height, Image.alpha_composite(ground, scaled).convert("RGB").tobytes())
    except (OSError, ValueError, SyntaxError, IndexError, TypeError, EOFError, Image.DecompressionBombError):
        # What Pillow's decoders raise on broken files.
        return None
