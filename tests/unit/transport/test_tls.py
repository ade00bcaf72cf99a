"""TLS between SPIFFE workloads, over socket pairs: who is believed, who is not, and when."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from spiffe_authority import HOME, Domain

from spire_bridge.errors import BridgeError
from spire_bridge.files.key_material import key_material_as_file
from spire_bridge.spiffe.id import SpiffeId, TrustDomain
from spire_bridge.spiffe.x509_bundle import X509Bundle
from spire_bridge.spiffe.x509_svid import X509Svid
from spire_bridge.transport.tls import (
    Authorize,
    TlsCredentials,
    any_member,
    exactly,
    server_context,
    spiffe_context,
)

PARTNER = TrustDomain("partner.example")
WEB, DB = "spiffe://example.org/web", "spiffe://example.org/db"


@pytest.fixture
def domain() -> Domain:
    return Domain()


@dataclass
class Outcome:
    """What each side of a connection saw: what it received, or its error."""

    client: bytes | Exception
    server: bytes | Exception


def connect(client: ssl.SSLContext, server: ssl.SSLContext) -> Outcome:
    """A handshake over a socket pair, and one word in each direction."""
    here, there = socket.socketpair()
    outcome: list[bytes | Exception] = []

    def serve() -> None:
        outcome.append(exchange(server, there, b"from server", server_side=True))

    thread = threading.Thread(target=serve)
    thread.start()
    result = exchange(client, here, b"from client", server_side=False)
    thread.join()
    return Outcome(result, outcome[0])


def exchange(
    context: ssl.SSLContext, sock: socket.socket, word: bytes, *, server_side: bool
) -> bytes | Exception:
    sock.settimeout(5)
    with sock:
        try:
            with context.wrap_socket(sock, server_side=server_side) as connection:
                connection.sendall(word)
                return connection.recv(100)
        except OSError as error:
            return error


def assert_speaks(outcome: Outcome) -> None:
    assert outcome == Outcome(b"from server", b"from client")


def assert_client_refuses(outcome: Outcome, reason: str) -> None:
    assert isinstance(outcome.client, ssl.SSLCertVerificationError)
    assert reason in str(outcome.client)
    assert outcome.server != b"from client"


def assert_server_refuses(outcome: Outcome, reason: str) -> None:
    """In TLS 1.3 the client's handshake is over by then: it learns of it when it reads."""
    assert isinstance(outcome.server, ssl.SSLCertVerificationError)
    assert reason in str(outcome.server)
    assert outcome.client != b"from server"


def test_two_members_speak(domain: Domain) -> None:
    assert_speaks(connect(domain.context(WEB, exactly(DB)), domain.context(DB, exactly(WEB))))


def test_below_an_intermediate() -> None:
    domain = Domain(intermediate=True)
    assert_speaks(connect(domain.context(WEB, exactly(DB)), domain.context(DB, exactly(WEB))))


def test_an_intermediate_in_the_bundle_is_trusted_by_itself() -> None:
    domain = Domain(intermediate=True)
    current = domain.authority.current
    assert current is not None
    assert current.intermediate is not None
    bundle = X509Bundle(HOME, (current.intermediate,))
    client = spiffe_context(lambda: domain.credentials(WEB, bundle), authorize=any_member)
    assert_speaks(connect(client, domain.context(DB)))


@pytest.mark.parametrize(
    "authorize",
    [
        exactly("spiffe://example.org/other"),
        exactly(SpiffeId(HOME, "/other")),
        exactly("spiffe://example.org/db/"),
        exactly("spiffe://example.org/d"),
        exactly("SPIFFE://example.org/db"),
        lambda _: False,
    ],
)
def test_a_client_refuses_the_wrong_id(domain: Domain, authorize: Authorize) -> None:
    outcome = connect(domain.context(WEB, authorize), domain.context(DB))
    assert_client_refuses(outcome, "peer spiffe://example.org/db is not authorized")


def test_a_server_refuses_the_wrong_id(domain: Domain) -> None:
    outcome = connect(domain.context(WEB), domain.context(DB, exactly(DB)))
    assert_server_refuses(outcome, "peer spiffe://example.org/web is not authorized")


def test_a_root_of_another_trust_domain_is_not_trusted(domain: Domain) -> None:
    partner = Domain(PARTNER)
    theirs = partner.context("spiffe://partner.example/api")
    assert_client_refuses(connect(domain.context(WEB), theirs), "certificate verify failed")
    outcome = connect(theirs, domain.context(WEB))
    assert isinstance(outcome.client, ssl.SSLError)


def test_another_trust_domain_with_a_root_of_the_same_name(domain: Domain) -> None:
    impostor = Domain(HOME).context(DB)
    outcome = connect(domain.context(WEB, exactly(DB)), impostor)
    assert_client_refuses(outcome, "certificate verify failed")


def test_a_root_can_only_speak_for_its_own_trust_domain(domain: Domain) -> None:
    """The chain is good, and the ID is one that this root may not certify."""
    stray = domain.context("spiffe://partner.example/api")
    outcome = connect(domain.context(WEB), stray)
    assert_client_refuses(outcome, "is not of example.org")
    assert_server_refuses(connect(stray, domain.context(WEB)), "is not of example.org")


def test_federated_peers_speak_with_each_others_bundles(domain: Domain) -> None:
    partner = Domain(PARTNER)
    api = "spiffe://partner.example/api"
    ours = spiffe_context(lambda: domain.credentials(WEB, partner.bundle), authorize=exactly(api))
    theirs = spiffe_context(lambda: partner.credentials(api, domain.bundle), authorize=exactly(WEB))
    assert_speaks(connect(ours, theirs))
    assert_speaks(connect(theirs, ours))


def test_an_empty_bundle_trusts_nobody(
    domain: Domain, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(domain.bundle.pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))  # nor does what the machine trusts count
    nobody = spiffe_context(lambda: domain.credentials(WEB, X509Bundle(HOME)), authorize=any_member)
    assert_client_refuses(connect(nobody, domain.context(DB)), "certificate verify failed")
    outcome = connect(domain.context(DB), nobody)
    assert isinstance(outcome.server, ssl.SSLError)


def test_an_expired_peer(domain: Domain) -> None:
    expired = TlsCredentials(domain.svid(DB, expired=True), domain.bundle)
    server = spiffe_context(lambda: expired, authorize=any_member)
    assert_client_refuses(connect(domain.context(WEB), server), "expired")


def test_a_peer_without_certificate(domain: Domain) -> None:
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anonymous.check_hostname = False
    anonymous.verify_mode = ssl.CERT_NONE
    outcome = connect(anonymous, domain.context(DB))
    assert isinstance(outcome.server, ssl.SSLError)
    assert outcome.client != b"from server"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "accepted"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)]
)
def test_old_protocols(domain: Domain, version: ssl.TLSVersion, accepted: bool) -> None:
    peer = plain_client(domain.svid(WEB))
    peer.maximum_version = version
    outcome = connect(peer, domain.context(DB, exactly(WEB)))
    assert (outcome.server == b"from client") is accepted


def plain_client(svid: X509Svid) -> ssl.SSLContext:
    """A client that is none of ours: it presents the SVID and believes everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with key_material_as_file(svid.chain_pem() + svid.private_key_pem()) as path:
        context.load_cert_chain(path)
    return context


def leaf(domain: Domain, *uris: str, signing: bool = False) -> TlsCredentials:
    """A certificate below the domain's root that is no X.509-SVID."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca = domain.authority.current
    assert ca is not None
    now = datetime.now(UTC)
    names = [x509.UniformResourceIdentifier(uri) for uri in uris] or [x509.DNSName("example.org")]
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, WEB)]))
        .issuer_name(ca.issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=signing, **usage), critical=True
        )
        .sign(ca.private_key, hashes.SHA256())
    )
    return TlsCredentials(X509Svid(SpiffeId.parse(WEB), (certificate,), key), domain.bundle)


@pytest.mark.parametrize(
    ("uris", "signing"),
    [
        ((), False),
        ((WEB, DB), False),
        ((WEB, "https://example.org/"), False),
        (("https://example.org/web",), False),
        (("spiffe://example.org",), False),
        (("spiffe://example.org/a//b",), False),
        ((WEB,), True),
    ],
)
def test_a_certificate_that_is_no_svid(
    domain: Domain, uris: tuple[str, ...], signing: bool
) -> None:
    fixed = leaf(domain, *uris, signing=signing)
    peer = spiffe_context(lambda: fixed, authorize=any_member)
    assert_client_refuses(connect(domain.context(DB), peer), "peer has no X.509-SVID")
    assert_server_refuses(connect(peer, domain.context(DB)), "peer has no X.509-SVID")


def test_credentials_are_asked_for_at_each_handshake(domain: Domain) -> None:
    asked: list[str] = []

    def credentials() -> TlsCredentials:
        asked.append("")
        return domain.credentials(WEB)

    client = spiffe_context(credentials, authorize=any_member)
    assert not asked
    for number in (1, 2):
        assert_speaks(connect(client, domain.context(DB)))
        assert len(asked) == number


def test_a_new_svid_and_a_removed_root_count_at_the_next_handshake(domain: Domain) -> None:
    """The same contexts on both sides all along."""
    held = {WEB: domain.svid(WEB), DB: domain.svid(DB)}
    bundles = {WEB: domain.bundle, DB: domain.bundle}

    def following(spiffe_id: str, peer: str) -> ssl.SSLContext:
        return spiffe_context(
            lambda: TlsCredentials(held[spiffe_id], bundles[spiffe_id]), authorize=exactly(peer)
        )

    client, server = following(WEB, DB), following(DB, WEB)
    assert_speaks(connect(client, server))
    old = domain.authority.current
    assert old is not None
    domain.authority.prepare()
    domain.authority.activate()
    held[WEB] = domain.svid(WEB)
    assert isinstance(connect(client, server).server, ssl.SSLCertVerificationError)
    bundles[WEB] = bundles[DB] = domain.bundle
    assert_speaks(connect(client, server))
    domain.authority.revoke(old.key_id)
    bundles[WEB] = domain.bundle
    assert_client_refuses(connect(client, server), "certificate verify failed")
    held[DB] = domain.svid(DB)
    assert_speaks(connect(client, server))


def test_sessions_are_not_resumed(domain: Domain) -> None:
    """A resumed session would not verify the peer again, and so outlive a revocation."""
    server, client = domain.context(DB), plain_client(domain.svid(WEB))
    client.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is there after the handshake
    session: ssl.SSLSession | None = None
    for _ in range(2):
        here, there = socket.socketpair()
        thread = threading.Thread(
            target=exchange, args=(server, there, b"from server"), kwargs={"server_side": True}
        )
        thread.start()
        with client.wrap_socket(here, session=session) as connection:
            session = connection.session
            assert not connection.session_reused
            connection.sendall(b"from client")
            connection.recv(100)
        thread.join()


class NoIdentity(BridgeError):
    code = "NO_IDENTITY"


def refused() -> TlsCredentials:
    raise NoIdentity("the SVID was withdrawn")


def test_without_credentials_there_is_no_handshake(domain: Domain) -> None:
    nobody = spiffe_context(refused, authorize=any_member)
    outcome = connect(nobody, domain.context(DB))
    assert isinstance(outcome.client, ssl.SSLError)
    assert "no SPIFFE credentials: the SVID was withdrawn" in str(outcome.client)
    assert isinstance(outcome.client.__cause__, NoIdentity)
    outcome = connect(domain.context(WEB), nobody)
    assert isinstance(outcome.server, ssl.SSLError)
    assert isinstance(outcome.client, OSError)


# The check can't be gone around.


def pair(
    client: ssl.SSLContext, server: ssl.SSLContext
) -> tuple[ssl.SSLSocket, threading.Thread, list[Any]]:
    """A client's socket without a handshake yet, and a server that waits for one."""
    here, there = socket.socketpair()
    here.settimeout(5)
    received: list[Any] = []
    thread = threading.Thread(
        target=lambda: received.append(exchange(server, there, b"from server", server_side=True))
    )
    thread.start()
    return client.wrap_socket(here, do_handshake_on_connect=False), thread, received


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.send(b"secret"),
        lambda s: s.sendall(b"secret"),
        lambda s: s.write(b"secret"),
        lambda s: s.recv(10),
        lambda s: s.recv_into(bytearray(10)),
        lambda s: s.read(10),
        lambda s: s.makefile("rb", buffering=0).read(1),
    ],
    ids=["send", "sendall", "write", "recv", "recv_into", "read", "makefile"],
)
def test_using_a_socket_before_its_handshake_checks_the_peer_too(
    domain: Domain, use: Callable[[ssl.SSLSocket], Any]
) -> None:
    """OpenSSL shakes hands by itself when it is asked to read or write."""
    sock, thread, received = pair(domain.context(WEB, exactly(WEB)), domain.context(DB))
    with sock:
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError):
                use(sock)
    thread.join()
    assert received[0] != b"secret"
    sock, thread, received = pair(domain.context(WEB, exactly(DB)), domain.context(DB))
    with sock:
        use(sock)
    thread.join()


def test_ignoring_the_error_of_a_handshake_does_not_help(domain: Domain) -> None:
    sock, thread, received = pair(domain.context(WEB, exactly(WEB)), domain.context(DB))
    with sock:
        with pytest.raises(ssl.SSLCertVerificationError):
            sock.do_handshake()
        with pytest.raises(ssl.SSLCertVerificationError):
            sock.send(b"secret")
    thread.join()
    assert received[0] != b"secret"


def shake_hands(client: ssl.SSLObject, server: ssl.SSLObject, *bios: ssl.MemoryBIO) -> None:
    to_server, to_client = bios
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        if not to_server.pending and not to_client.pending:
            return


def objects(
    client: ssl.SSLContext, server: ssl.SSLContext
) -> tuple[ssl.SSLObject, ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    return (
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
        to_server,
        to_client,
    )


def test_objects_over_memory_are_checked(domain: Domain) -> None:
    good = objects(domain.context(WEB, exactly(DB)), domain.context(DB, exactly(WEB)))
    shake_hands(*good)
    client, server, *_ = good
    client.write(b"hello")
    assert server.read(10) == b"hello"
    bad = objects(domain.context(WEB, exactly(WEB)), domain.context(DB))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(*bad)
    for use in (lambda: bad[0].write(b"secret"), lambda: bad[0].read(10)):
        with pytest.raises(ssl.SSLCertVerificationError):
            use()


def test_an_object_read_before_its_handshake_is_checked(domain: Domain) -> None:
    client, server, *_ = objects(domain.context(WEB, exactly(WEB)), domain.context(DB))
    with pytest.raises(ssl.SSLWantReadError):
        client.write(b"secret")
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        client.write(b"secret")


def test_an_object_without_credentials_fails_at_its_handshake(domain: Domain) -> None:
    """And not before it: asyncio would leave the socket open."""
    client, *_ = objects(spiffe_context(refused, authorize=any_member), domain.context(DB))
    for use in (client.do_handshake, lambda: client.write(b"x"), lambda: client.read(1)):
        with pytest.raises(ssl.SSLError, match="no SPIFFE credentials"):
            use()


def test_a_listening_socket_asks_for_credentials_at_each_connection(domain: Domain) -> None:
    held: dict[str, Callable[[], TlsCredentials]] = {"now": lambda: domain.credentials(DB)}
    server = spiffe_context(lambda: held["now"](), authorize=exactly(WEB))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        server.wrap_socket(listener, server_side=True) as listening,
    ):
        address = listening.getsockname()
        outcomes: list[Any] = []

        def accept() -> None:
            try:
                connection, peer = listening.accept()
            except OSError as error:
                outcomes.append(error)
                return
            with connection:
                assert peer[0] == "127.0.0.1"
                outcomes.append(connection.recv(100))

        def call(client: ssl.SSLContext) -> Any:
            thread = threading.Thread(target=accept)
            thread.start()
            with socket.create_connection(address) as plain:
                plain.settimeout(5)
                try:
                    with client.wrap_socket(plain) as connection:
                        connection.sendall(b"hello")
                except OSError as error:
                    outcomes.append(error)
            thread.join()

        call(domain.context(WEB, exactly(DB)))
        assert outcomes == [b"hello"]
        outcomes.clear()
        held["now"] = lambda: domain.credentials("spiffe://example.org/db2")
        call(domain.context(WEB, exactly("spiffe://example.org/db2")))
        assert outcomes == [b"hello"]
        outcomes.clear()
        held["now"] = refused
        call(domain.context(WEB))
        assert any("no SPIFFE credentials" in str(outcome) for outcome in outcomes)
        outcomes.clear()
        held["now"] = lambda: domain.credentials(DB)
        call(domain.context(DB))
        assert any("is not authorized" in str(outcome) for outcome in outcomes)


async def test_a_handshake_that_never_comes_can_be_cancelled(domain: Domain) -> None:
    here, there = socket.socketpair()
    with there:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                asyncio.open_connection(sock=here, ssl=domain.context(WEB), server_hostname=""),
                0.1,
            )
        await asyncio.sleep(0)
    here.close()


def test_alpn_can_be_set_by_a_library(domain: Domain) -> None:
    client, server = domain.context(WEB), domain.context(DB)
    client.set_alpn_protocols(["h2", "http/1.1"])
    server.set_alpn_protocols(["http/1.1"])
    made = objects(client, server)
    shake_hands(*made)
    assert made[0].selected_alpn_protocol() == "http/1.1"


def test_it_is_a_context_like_others_to_whoever_looks_at_it(domain: Domain) -> None:
    context = domain.context(WEB)
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert not context.check_hostname


# A server with its own SVID, for clients that have none.


def https_client() -> ssl.SSLContext:
    """A client that presents nothing; whom it speaks to is looked at afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def test_any_client_may_speak_to_a_server_with_an_svid(domain: Domain) -> None:
    svid = domain.svid(WEB)
    assert_speaks(connect(https_client(), server_context(lambda: svid)))
    made = objects(https_client(), server_context(lambda: svid))
    shake_hands(*made)
    assert made[0].getpeercert(binary_form=True) == svid.leaf.public_bytes(Encoding.DER)
    assert made[0].selected_alpn_protocol() == "http/1.1"
    made[0].write(b"hello")
    assert made[1].read(10) == b"hello"


def test_a_rotated_svid_is_shown_at_the_next_handshake(domain: Domain) -> None:
    held = [domain.svid(WEB)]
    server = server_context(lambda: held[-1])
    shown: list[bytes | None] = []
    for _ in range(2):
        for _ in range(2):
            made = objects(https_client(), server)
            shake_hands(*made)
            shown.append(made[0].getpeercert(binary_form=True))
        held.append(domain.svid(WEB))
    first, second = (svid.leaf.public_bytes(Encoding.DER) for svid in held[:2])
    assert shown == [first, first, second, second]


def test_a_session_of_the_svid_before_is_not_resumed(domain: Domain) -> None:
    """And one of the present SVID is: it verifies nobody, and saves a signature."""
    held = [domain.svid(WEB)]
    server, client = server_context(lambda: held[-1]), https_client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is there after the handshake

    def reused(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
        here, there = socket.socketpair()
        thread = threading.Thread(
            target=exchange, args=(server, there, b"from server"), kwargs={"server_side": True}
        )
        thread.start()
        with client.wrap_socket(here, session=session) as connection:
            connection.sendall(b"from client")
            connection.recv(100)
            outcome = connection.session_reused, connection.session
        thread.join()
        return outcome

    _, session = reused(None)
    assert reused(session)[0]
    held.append(domain.svid(WEB))
    assert not reused(session)[0]


def test_without_an_svid_a_handshake_fails_and_the_next_may_not(domain: Domain) -> None:
    held: dict[str, Callable[[], X509Svid]] = {"now": lambda: refused().svid}
    server = server_context(lambda: held["now"]())
    outcome = connect(https_client(), server)
    assert isinstance(outcome.server, ssl.SSLError)
    assert "no SPIFFE credentials: the SVID was withdrawn" in str(outcome.server)
    assert isinstance(outcome.client, OSError)
    client, failing, *_ = objects(https_client(), server)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLError, match="no SPIFFE credentials"):
        failing.do_handshake()
    svid = domain.svid(WEB)
    held["now"] = lambda: svid
    assert_speaks(connect(https_client(), server))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_server_with_an_svid_speaks_no_old_protocol(domain: Domain) -> None:
    client, svid = https_client(), domain.svid(WEB)
    client.maximum_version = ssl.TLSVersion.TLSv1_1
    assert isinstance(connect(client, server_context(lambda: svid)).server, ssl.SSLError)


def test_a_context_for_servers_is_none_for_clients(domain: Domain) -> None:
    """It would believe everybody."""
    svid = domain.svid(WEB)
    outcome = connect(server_context(lambda: svid), domain.context(DB))
    assert "this context is for servers" in str(outcome.client)
