"""STS' answers: small XML documents without anything that XML can be abused for."""

from __future__ import annotations

from xml.parsers import expat

MAX_BYTES = 64 * 1024
_MAX_DEPTH = 16


class InvalidXml(ValueError):
    """Not a document of the kind that STS answers with."""


def texts_by_path(data: bytes) -> dict[str, str]:
    """The text of each element by its path of local names, such as `ErrorResponse/Error/Code`.

    Of several with one path the first counts. Raises `InvalidXml`, also for any document type
    declaration: without one there are no entities to expand or to fetch.
    """
    if len(data) > MAX_BYTES:
        raise InvalidXml("too large")
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.add
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, UnicodeDecodeError) as error:
        raise InvalidXml(str(error)) from None
    return reader.texts


class _Reader:
    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._names: list[str] = []
        self._pieces: list[str] = []

    def start(self, name: str, _attributes: object) -> None:
        if len(self._names) == _MAX_DEPTH:
            raise InvalidXml("nested too deep")
        self._names.append(name.rpartition(" ")[2])
        self._pieces = []

    def add(self, text: str) -> None:
        self._pieces.append(text)

    def end(self, _name: str) -> None:
        self.texts.setdefault("/".join(self._names), "".join(self._pieces).strip())
        self._names.pop()
        self._pieces = []


def _refuse(*_: object) -> None:
    raise InvalidXml("a document type declaration")
