"""What answers a CA that asks whether a domain is ours: TLS-ALPN-01 and HTTP-01."""

from __future__ import annotations

import datetime
import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from spire_bridge.files.key_material import key_material_as_file
from spire_bridge.listen.acme.client_hello import ClientHello
from spire_bridge.listen.http import Request, Response, text

TLS_ALPN_01 = "tls-alpn-01"
HTTP_01 = "http-01"

PROTOCOL = "acme-tls/1"  # RFC 8737, section 6.2
_ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # section 6.1
_VALIDITY = datetime.timedelta(days=1)

_PATH = "/.well-known/acme-challenge/"  # RFC 8555, section 8.3


class Challenges:
    """The challenges that are pending. Orders set them, from threads of their own."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._answers: dict[str, str] = {}

    @property
    def awaits_handshake(self) -> bool:
        """Whether a CA may come to shake hands at the moment."""
        return bool(self._contexts)

    @contextmanager
    def answering(
        self, kind: str, domain: str, *, token: str, key_authorization: str
    ) -> Iterator[None]:
        """Answers the challenge of `kind` for as long as the context is open."""
        if kind == TLS_ALPN_01:
            self._contexts[domain] = _challenge_context(domain, key_authorization)
        else:
            self._answers[token] = key_authorization
        try:
            yield
        finally:
            self._contexts.pop(domain, None)
            self._answers.pop(token, None)

    def context_for(self, hello: ClientHello) -> ssl.SSLContext | None:
        """The context that answers this client, if it comes for a pending challenge."""
        if hello.protocols != (PROTOCOL.encode("ascii"),):  # it alone: RFC 8737, section 3
            return None
        return self._contexts.get(hello.server_name)

    def respond(self, request: Request) -> Response:
        """Serves the answers to HTTP-01; a `Handler` for port 80."""
        answer = self._answers.get(request.path.removeprefix(_PATH))
        if answer is None or not request.path.startswith(_PATH):
            return text(404, "not found")
        if request.method not in {"GET", "HEAD"}:
            return text(405, "method not allowed", (("allow", "GET, HEAD"),))
        headers = (("content-type", "application/octet-stream"),)
        return Response(200, headers, answer.encode("ascii"))


def _challenge_context(domain: str, key_authorization: str) -> ssl.SSLContext:
    """A self-signed certificate with the proof in an extension (RFC 8737, section 3)."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    digest = hashlib.sha256(key_authorization.encode("ascii")).digest()
    octet_string = bytes((4, len(digest))) + digest  # DER
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ACME challenge")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _VALIDITY)
        .not_valid_after(now + _VALIDITY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .add_extension(x509.UnrecognizedExtension(_ACME_IDENTIFIER, octet_string), critical=True)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols([PROTOCOL])
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with key_material_as_file(pem + certificate.public_bytes(Encoding.PEM)) as path:
        context.load_cert_chain(path)
    return context
