"""What IAM Roles Anywhere makes session tags of: fields of the leaf, by a profile's mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID

from spire_bridge.cloud.aws.certificate_chain import extension

SUBJECT, ISSUER, SAN = "x509Subject", "x509Issuer", "x509SAN"
FIELDS = (SUBJECT, ISSUER, SAN)

# A profile without mappings of its own maps all of each field.
DEFAULT_MAPPING: Mapping[str, tuple[str, ...]] = dict.fromkeys(FIELDS, ("*",))

# RFC 4514 gives no short name to these, and the documentation uses them.
_SHORT_NAMES = {NameOID.SERIAL_NUMBER: "serialNumber", NameOID.EMAIL_ADDRESS: "emailAddress"}


def certificate_tags(
    leaf: x509.Certificate, mapping: Mapping[str, Iterable[str]]
) -> dict[str, str]:
    """The session tags of a leaf, such as `x509SAN/URI`; never raises.

    Of several values of one kind the first counts. What the leaf lacks has no tag.
    """
    tags: dict[str, str] = {}
    for field, part, value in _parts(leaf):
        specifiers = tuple(mapping.get(field, ()))
        if any(_is_specified(part, specifier) for specifier in specifiers):
            tags.setdefault(f"{field}/{part}", value)
    return tags


def common_name(leaf: x509.Certificate) -> str:
    """The subject's CN, which becomes the source identity; empty if there is none."""
    return next((value for part, value in _name_parts(leaf.subject) if part == "CN"), "")


def _is_specified(part: str, specifier: str) -> bool:
    if specifier.endswith("*"):
        return part.startswith(specifier[:-1])
    return part == specifier


def _parts(leaf: x509.Certificate) -> Iterator[tuple[str, str, str]]:
    for part, value in _name_parts(leaf.subject):
        yield SUBJECT, part, value
    for part, value in _name_parts(leaf.issuer):
        yield ISSUER, part, value
    for part, value in _alternative_names(leaf):
        yield SAN, part, value


def _name_parts(name: x509.Name) -> Iterator[tuple[str, str]]:
    for attribute in name:
        short = _SHORT_NAMES.get(attribute.oid, attribute.rfc4514_attribute_name)
        value = attribute.value
        yield short, value if isinstance(value, str) else value.hex()


def _alternative_names(leaf: x509.Certificate) -> Iterator[tuple[str, str]]:
    names = extension(leaf, x509.SubjectAlternativeName)
    for name in names or ():
        if isinstance(name, x509.UniformResourceIdentifier):
            yield "URI", name.value
        elif isinstance(name, x509.DNSName):
            yield "DNS", name.value
        elif isinstance(name, x509.DirectoryName):
            for part, value in _name_parts(name.value):
                yield f"Name/{part}", value
