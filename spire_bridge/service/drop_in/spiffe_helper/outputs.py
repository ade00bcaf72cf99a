"""From spiffe-helper's configuration to outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spire_bridge.credentials.pem import PemOptions, pem_files
from spire_bridge.helper.contents import (
    JwtBundlesContent,
    JwtContent,
    X509Content,
    X509Material,
    X509Supply,
)
from spire_bridge.helper.output import FollowUp, Output, OutputState
from spire_bridge.helper.tokens import TokenSupply
from spire_bridge.service.drop_in.spiffe_helper.config import HelperConfig, JwtFile, X509Files
from spire_bridge.service.drop_in.spiffe_helper.content import jwt_bundles_file
from spire_bridge.service.drop_in.spiffe_helper.health import FileStates
from spire_bridge.service.drop_in.spiffe_helper.place import KeptFiles
from spire_bridge.service.helping.rendering import raw_token
from spire_bridge.service.helping.sources import AgentSources
from spire_bridge.workload.identity import Identity

X509 = "x509"
JWT_BUNDLES = "jwt-bundles"


@dataclass(frozen=True)
class ConfiguredOutputs:
    """The outputs of a configuration, kept from one agent, new files under `umask`."""

    config: HelperConfig
    sources: AgentSources = field(repr=False)
    umask: int

    def build(self, *after_x509: FollowUp) -> list[Output]:
        """`after_x509` follows a change of the X.509 files; nothing follows one of the others."""
        config = self.config
        outputs = []
        if config.x509 is not None:
            outputs.append(self._x509(config.x509, after_x509))
        if config.jwt_bundle:
            bundles = JwtBundlesContent(self.sources.jwt_bundles, lambda b: (jwt_bundles_file(b),))
            place = self._place((config.jwt_bundle, config.modes.jwt_bundle))
            outputs.append(Output(JWT_BUNDLES, bundles, place))
        for number, file in enumerate(config.jwt_svids):
            outputs.append(self._jwt(jwt_name(number), file))
        return outputs

    def _x509(self, files: X509Files, after: tuple[FollowUp, ...]) -> Output:
        modes = self.config.modes
        options = PemOptions(files.intermediates_in_bundle, files.federated, files.omit_expired)

        def render(material: X509Material) -> tuple[bytes, ...]:
            now = self.sources.clock()
            pem = pem_files(material.svid, material.context, options, now=now)
            return pem.bundle, pem.key, pem.certificates

        # Who watches the certificates finds their key and the bundle in place.
        place = self._place(
            (files.bundle, modes.certificates),
            (files.key, modes.key),
            (files.certificates, modes.certificates),
        )
        supply = X509Supply(self.sources.x509, self._identity, clock=self.sources.clock)
        return Output(X509, X509Content(supply, render), place, after)

    def _jwt(self, name: str, file: JwtFile) -> Output:
        sources = self.sources
        tokens = TokenSupply(sources.client, file.audience, self._identity, clock=sources.clock)
        place = self._place((file.path, self.config.modes.jwt_svid))
        return Output(name, JwtContent(tokens, raw_token), place)

    @property
    def _identity(self) -> Identity:
        return Identity(hint=self.config.hint or None)

    def _place(self, *files: tuple[str, int]) -> KeptFiles:
        return KeptFiles(tuple((Path(path), mode) for path, mode in files), self.umask)


def jwt_name(number: int) -> str:
    """What the JWT-SVID at this place in `jwt_svids` is called."""
    return f"jwt-{number + 1}"


def file_states(config: HelperConfig, states: Mapping[str, OutputState]) -> FileStates:
    """The states of a configuration's outputs as its health checks tell them."""
    paths = {jwt_name(number): file.path for number, file in enumerate(config.jwt_svids)}
    if config.jwt_bundle:
        paths[JWT_BUNDLES] = config.jwt_bundle
    nothing = OutputState()
    jwt = {path: states.get(name, nothing) for name, path in paths.items()}
    return FileStates(states.get(X509, nothing) if config.x509 else None, jwt)
