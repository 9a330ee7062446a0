"""The first picture of the model in a finished report, which shows nothing of the photographs."""

from __future__ import annotations

import base64
import binascii
import re

PICTURE_WITHIN_BYTES = 1 << 20
"""The picture stands within so many bytes from the beginning of a report."""

_PICTURE = re.compile(rb'<img src="data:image/jpeg;base64,([A-Za-z0-9+/=]+)"[^>]* alt="The textured model: front">')


def front_picture(report: bytes) -> bytes | None:
    """The JPEG of the model from the front; None where the report, or the beginning of it that is given, has none."""
    found = _PICTURE.search(report)
    try:
        return None if found is None else base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None
