"""XML as AWS' query APIs answer it: elements and text, indented."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

Content = str | tuple[tuple[str, "Content"], ...]

# What XML 1.0 has no way to write (section 2.2).
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_document(name: str, namespace: str, content: Content) -> bytes:
    attributes = f' xmlns="{namespace}"'
    return f"{_element(name, content, '', attributes)}\n".encode()


def _element(name: str, content: Content, indent: str, attributes: str = "") -> str:
    if isinstance(content, str):
        text = escape(_UNWRITABLE.sub("\ufffd", content))
    else:
        children = (_element(*child, indent + "  ") for child in content)
        text = "".join(f"\n{child}" for child in children) + f"\n{indent}"
    return f"{indent}<{name}{attributes}>{text}</{name}>"
