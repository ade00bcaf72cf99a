"""The checks in the order of cause and effect."""

from __future__ import annotations

from spire_bridge.service.doctor import agent, audience, clock, clouds, files, issuer, variables
from spire_bridge.service.doctor.context import Asked
from spire_bridge.service.doctor.walk import Check


def checks(asked: Asked) -> tuple[Check, ...]:
    """From the socket to the clouds. An issuer that is named needs no SVID to be looked at."""
    of_svid = (agent.ENTRY,)
    shows_certificates = any(d.verifier.takes_certificates for d in asked.descriptions)
    certificates = Check(clouds.CERTIFICATES, clouds.check_certificates, needs=(agent.X509_SVID,))
    return (
        Check(agent.SOCKET, agent.check_socket),
        Check(agent.ENTRY, agent.check_entry, needs=(agent.SOCKET,)),
        Check(agent.JWT_SVID, agent.check_jwt_svid, needs=of_svid),
        Check(agent.X509_SVID, agent.check_x509_svid, needs=of_svid),
        Check(issuer.ISSUER, issuer.check_issuer, needs=() if asked.issuer else of_svid),
        Check(issuer.KEY, issuer.check_key, needs=(*of_svid, issuer.ISSUER)),
        Check(issuer.KEY_SET, issuer.check_key_set, needs=(*of_svid, issuer.ISSUER)),
        Check(clock.CLOCK, clock.check_clock, needs=of_svid),
        Check(audience.AUDIENCE, audience.check_audience, needs=of_svid),
        Check(variables.ENVIRONMENT, variables.check_environment),
        Check(files.FILES, files.check_files),
        Check(clouds.CLOUDS, clouds.check_clouds, needs=(*of_svid, issuer.ISSUER, issuer.KEY)),
        *((certificates,) if shows_certificates else ()),
    )
