"""All model clouds behind two listeners on this machine: one for http, one for https."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from spire_bridge.cloud.aws.roles_anywhere import RolesAnywhereTrust
from spire_bridge.cloud.aws.sts import AwsTrust
from spire_bridge.cloud.entra.sts import EntraTrust
from spire_bridge.cloud.google.sts import GoogleTrust
from spire_bridge.listen.address import ListenAddress
from spire_bridge.listen.http import Handler, Headers, Request, Response, text, with_headers
from spire_bridge.listen.limits import Limits
from spire_bridge.listen.server import serving
from spire_bridge.listen.tls import CertificateFiles
from spire_bridge.models import entra, google, roles_anywhere
from spire_bridge.models.apart import apart
from spire_bridge.models.aws_sts import AwsSts
from spire_bridge.models.certificate import LOOPBACK, LoopbackCertificate
from spire_bridge.models.surroundings import Surroundings

_LIMITS = Limits(keeps_bodies=True, max_connections=1_000)
# Bodies are as documented, word by word; this is for who looks closer.
_NOT_A_CLOUD: Headers = (("server", "spire-bridge, a model made from documentation"),)
_NEVER_SECONDS = 86_400.0  # the certificate is made once


@dataclass(frozen=True, slots=True)
class ConfiguredTrust:
    """What is configured at the clouds."""

    aws: tuple[AwsTrust, ...] = ()
    roles_anywhere: tuple[RolesAnywhereTrust, ...] = ()
    google: tuple[GoogleTrust, ...] = ()
    entra: tuple[EntraTrust, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelAddresses:
    """Where the model clouds answer."""

    http: str
    https: str


class ModelClouds:
    """Hands each request to the cloud whose path it names: no two clouds share one.

    Blocks while an issuer is asked, so it belongs into an event loop of its own: see
    `model_clouds`.
    """

    def __init__(self, trust: ConfiguredTrust, around: Surroundings) -> None:
        self._google = google.Google(trust.google, around)
        self._entra = entra.Entra(trust.entra, around)
        self._by_path: dict[str, Handler] = {
            "/": AwsSts(trust.aws, around),
            roles_anywhere.PATH: roles_anywhere.RolesAnywhere(trust.roles_anywhere, around),
            google.EXCHANGE_PATH: self._google.exchange,
        }

    def over_http(self, request: Request) -> Response:
        """AWS and Google: their SDKs take an endpoint without TLS, for development."""
        return with_headers(self._aws_or_google(request), _NOT_A_CLOUD)

    def over_https(self, request: Request) -> Response:
        """Entra besides, whose SDKs insist on TLS."""
        if entra.PATH.fullmatch(request.path):
            return with_headers(self._entra.token(request), _NOT_A_CLOUD)
        if entra.METADATA_PATH.fullmatch(request.path):
            return with_headers(self._entra.metadata(request), _NOT_A_CLOUD)
        return self.over_http(request)

    def _aws_or_google(self, request: Request) -> Response:
        if request.path in self._by_path:
            return self._by_path[request.path](request)
        if google.IMPERSONATION_PATH.fullmatch(request.path):
            return self._google.impersonate(request)
        return text(404, "no model cloud has this path")


@asynccontextmanager
async def model_clouds(
    trust: ConfiguredTrust, around: Surroundings, certificate: LoopbackCertificate
) -> AsyncIterator[ModelAddresses]:
    """Serves the model clouds at free ports of this machine, until the context is left.

    `around` is used in another thread. Raises `ListenFailure`.
    """
    models = ModelClouds(trust, around)

    @asynccontextmanager
    async def listeners() -> AsyncIterator[ModelAddresses]:
        any_port = ListenAddress(LOOPBACK, 0)
        tls = CertificateFiles(certificate.certificate, certificate.key, _NEVER_SECONDS).context
        async with AsyncExitStack() as stack:
            plain = await stack.enter_async_context(
                serving(models.over_http, any_port, limits=_LIMITS)
            )
            secure = await stack.enter_async_context(
                serving(models.over_https, any_port, tls=tls, limits=_LIMITS)
            )
            yield ModelAddresses(f"http://{plain}", f"https://{secure}")

    async with apart(listeners) as addresses:
        yield addresses
