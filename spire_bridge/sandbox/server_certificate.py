"""The certificate by which the sandbox's server is known over TLS."""

from __future__ import annotations

import time
from enum import Enum, auto

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from spire_bridge.sandbox.faults import EXPIRED_SECONDS_AGO
from spire_bridge.sandbox.life_cycle import KeyState
from spire_bridge.sandbox.x509_authority import IssuedX509, X509Authority

SERVER_PATH = "/spire/server"
TTL_SECONDS = 3600


class CertificateFault(Enum):
    """What is wrong with the certificate that the server presents from the next handshake on."""

    EXPIRED = auto()  # an hour ago
    WRONG_ID = auto()  # a workload's, of the same trust domain
    OTHER_AUTHORITY = auto()  # the right ID, signed by an authority that nobody has heard of


class ServerCertificate:
    """The server's X.509-SVID, below an authority of its own trust domain.

    As in SPIRE, it is replaced at half of its life, or when its authority is tainted or
    revoked; until then it stays, also after another authority has become active.
    """

    def __init__(self, authority: X509Authority, trust_domain_id: str) -> None:
        self._authority = authority
        self._trust_domain_id = trust_domain_id
        self._fault: CertificateFault | None = None
        self._issued = self._issue(authority, SERVER_PATH)
        self._presented = self._configuration(self._issued)

    @property
    def fault(self) -> CertificateFault | None:
        """What is wrong with it at the moment."""
        return self._fault

    @fault.setter
    def fault(self, fault: CertificateFault | None) -> None:
        self._fault = fault
        self._present()

    def refresh(self) -> None:
        """Replaces what is due, by the clock and by the authority's keys."""
        states, issued, now = self._authority.states, self._issued, self._authority.clock()
        sound = states.get(issued.authority_id) not in {None, KeyState.TAINTED}
        aged = now - issued.issued_at >= (issued.expires_at - issued.issued_at) / 2
        if (aged or not sound) and self._authority.current is not None:
            self._issued = self._issue(self._authority, SERVER_PATH)
        self._present()

    def credentials(self, *, require_client_certificate: bool) -> grpc.ServerCredentials:
        """For a gRPC server: each handshake presents what is in force by then.

        Clients show no certificate, or have to show one of this trust domain.
        """
        return grpc.dynamic_ssl_server_credentials(
            self._presented, lambda: self._presented, require_client_certificate
        )

    def _present(self) -> None:
        match self._fault:
            case None:
                issued = self._issued
            case CertificateFault.WRONG_ID:
                issued = self._issue(self._authority, "/workload")
            case CertificateFault.OTHER_AUTHORITY:
                stranger = X509Authority(time.time, trust_domain_id=self._trust_domain_id)
                issued = self._issue(stranger, SERVER_PATH)
            case CertificateFault.EXPIRED:
                start = int(self._authority.clock()) - TTL_SECONDS - EXPIRED_SECONDS_AGO
                issued = self._issue(self._authority, SERVER_PATH, issued_at=start)
        self._presented = self._configuration(issued)

    def _issue(
        self, authority: X509Authority, path: str, issued_at: int | None = None
    ) -> IssuedX509:
        return authority.issue(f"{self._trust_domain_id}{path}", TTL_SECONDS, issued_at=issued_at)

    def _configuration(self, issued: IssuedX509) -> grpc.ServerCertificateConfiguration:
        key = issued.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        roots = b"".join(_pem(ca.root) for ca in self._authority.keys)
        chain = b"".join(map(_pem, issued.chain))
        return grpc.ssl_server_certificate_configuration([(key, chain)], roots)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
