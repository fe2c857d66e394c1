"""What is said of a tracker where others read it: without the credentials that its URI may hold."""

from __future__ import annotations

import re
from urllib.parse import unquote

_SECRET = "password|passwd|pwd|token|secret|signature|sig|credential|auth|api[_-]?key|access[_-]?key(?:_?id)?"


def redact(text: str, uri: str = "") -> str:
    """`text` without the user and password of any URI in it, nor the value of a query that looks like a secret; what is secret of
    `uri` goes wherever it stands, since those who complain of a URI quote parts of it."""
    for secret in sorted(_secrets(uri), key=len, reverse=True):
        text = text.replace(secret, "***")
    text = re.sub(r"([A-Za-z][A-Za-z0-9+.-]*://(?!/))\S*@", r"\1***@", text)  # to the last @: a password may hold / and @
    return re.sub(rf"(?i)((?:{_SECRET})=)[^&\s'\"]+", r"\1***", text)


def _secrets(uri: str) -> set[str]:
    given = re.match(r"[^:/]+://(?!/)(.*)@", uri)
    password = given[1].partition(":")[2] if given else ""
    found = {password, *([given[1]] if given else []), *re.findall(rf"(?i)(?:{_SECRET})=([^&]+)", uri)}
    return {part for secret in found for part in (secret, unquote(secret)) if len(part) > 3}  # shorter ones are in any text


def reason(error: Exception, uri: str = "") -> str:
    """What went wrong, without credentials and at a length that can be read."""
    text = redact(" ".join(str(error).split()) or type(error).__name__, uri)  # first: a URI cut in half would keep its password
    return text if len(text) < 400 else f"{text[:400]}…"
