"""What is configured at Vault or OpenBao: a role, and the JWT auth mount that it is of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from spire_bridge.cloud.go_text import quoted
from spire_bridge.cloud.trust_errors import InvalidTrust
from spire_bridge.cloud.vault.claims import Number, Product, normalized
from spire_bridge.cloud.vault.fields import Fields
from spire_bridge.jose.errors import InvalidKey
from spire_bridge.jose.public_key import PublicKey

MAX_TRUST_BYTES = 1024 * 1024

# hashicorp/cap, jwt/algs.go
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "ES256", "ES384", "ES512"),
    *("PS256", "PS384", "PS512", "EdDSA"),
)

_ROLE_MARKS = ("user_claim", "role_type", "bound_claims", "bound_subject", "bound_audiences")
_MOUNT_MARKS = (
    "oidc_discovery_url",
    "jwks_url",
    "jwks_pairs",
    "jwt_validation_pubkeys",
    "bound_issuer",
)
# What OpenBao prints of a role and Vault doesn't know.
_OPENBAO_MARKS = ("token_policies_template_claims", "callback_mode", "token_strictly_bind_ip")


@dataclass(frozen=True, slots=True)
class Role:
    """A role of type jwt, or of type oidc, with which no token logs in.

    Leeways are in seconds: 0 is the plugin's default, less than that is none. A bound claim
    has the values of which one is enough. `policies` are those that a login gets; OpenBao's
    templates of policies stay as they are written.
    """

    role_type: str
    user_claim: str
    user_claim_is_pointer: bool = False
    bound_audiences: tuple[str, ...] = ()
    bound_subject: str = ""
    bound_claims: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    glob: bool = False
    groups_claim: str = ""
    claim_mappings: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    bound_cidrs: tuple[str, ...] = ()
    clock_skew_leeway: int = 0
    expiration_leeway: int = 0
    not_before_leeway: int = 0

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Refuses what the plugin refuses to store. Raises `InvalidTrust`."""
        role_type = fields.text("role_type") or "oidc"
        if role_type not in ("jwt", "oidc"):
            raise fields.invalid("role_type", f"invalid 'role_type': {role_type}")
        role = cls(
            role_type,
            fields.text("user_claim"),
            user_claim_is_pointer=fields.flag("user_claim_json_pointer"),
            bound_audiences=fields.texts("bound_audiences"),
            bound_subject=fields.text("bound_subject"),
            bound_claims=_bound_claims(fields),
            glob=fields.text("bound_claims_type") == "glob",
            groups_claim=fields.text("groups_claim"),
            claim_mappings=_claim_mappings(fields),
            policies=_policies(fields),
            bound_cidrs=fields.texts("token_bound_cidrs") or fields.texts("bound_cidrs"),
            clock_skew_leeway=fields.seconds("clock_skew_leeway"),
            expiration_leeway=fields.seconds("expiration_leeway"),
            not_before_leeway=fields.seconds("not_before_leeway"),
        )
        if not role.user_claim:
            raise fields.invalid("user_claim", "a user claim must be defined on the role")
        bound = (role.bound_audiences, role.bound_cidrs, role.bound_subject, role.bound_claims)
        if role_type == "jwt" and not any(bound):
            raise fields.invalid(
                "", "must have at least one bound constraint when creating/updating a role"
            )
        return role


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a JWT auth method finds its keys, and which tokens it takes at all.

    `public_keys` are the JWKs of the keys that were given in PEM; no algorithms are all.
    `client_id` is there if people log in by way of a browser.
    """

    oidc_discovery_url: str = ""
    jwks_url: str = ""
    public_keys: tuple[Mapping[str, Any], ...] = ()
    bound_issuer: str = ""
    algorithms: tuple[str, ...] = ()
    default_role: str = ""
    client_id: str = ""

    @classmethod
    def parse(cls, fields: Fields) -> Self:
        """Refuses what the plugin refuses to store. Raises `InvalidTrust`."""
        keys = fields.texts("jwt_validation_pubkeys", split=False)
        mount = cls(
            fields.text("oidc_discovery_url"),
            fields.text("jwks_url"),
            tuple(_jwk(fields, number, pem) for number, pem in enumerate(keys)),
            fields.text("bound_issuer"),
            fields.texts("jwt_supported_algs"),
            fields.text("default_role"),
            fields.text("oidc_client_id"),
        )
        if fields.has("jwks_pairs"):
            raise fields.invalid("jwks_pairs", "several JWKS URLs can't be evaluated yet")
        if [bool(mount.oidc_discovery_url), bool(mount.jwks_url), bool(keys)].count(True) != 1:
            raise fields.invalid(
                "",
                "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs' or "
                "'oidc_discovery_url' must be set",
            )
        for algorithm in mount.algorithms:
            if algorithm not in ALGORITHMS:
                raise fields.invalid(
                    "jwt_supported_algs",
                    "invalid jwt_supported_algs: unsupported signing algorithm "
                    f"{quoted(algorithm)}",
                )
        return mount


@dataclass(frozen=True, slots=True)
class VaultTrust:
    """A role, or None if a login names one that is not there; None for a mount not described."""

    name: str
    product: Product
    role_name: str
    role: Role | None
    mount: Mount | None


def parse_trust(data: bytes, *, name: str) -> VaultTrust:
    """Reads a role, a mount's config, or an object of both: `{"config": …, "role": …}`.

    Each as `vault read -format=json` prints it, or bare. Beside them may stand `role_name`,
    under which a login asks for the role, and `product`; without it, OpenBao is known by
    what only OpenBao prints. Unknown fields are ignored. Raises `InvalidTrust`.
    """
    described = _object(data, name)
    if "role" in described or "config" in described:
        role, config = _part(described, "role", name), _part(described, "config", name)
    else:
        bare = Fields(_bare(described), name)
        is_role = any(map(bare.has, _ROLE_MARKS))
        role, config = (bare, None) if is_role else (None, bare)
        if not is_role and not any(map(bare.has, _MOUNT_MARKS)):
            raise InvalidTrust(f"{name}: it is neither a role of JWT auth nor a mount's config")
    top = Fields(described, name)
    mount = Mount.parse(config) if config is not None else None
    role_name = top.text("role_name") or (mount.default_role if mount is not None else "")
    return VaultTrust(
        name,
        _product(top, role),
        role_name,
        Role.parse(role) if role is not None else None,
        mount,
    )


def _object(data: bytes, name: str) -> Mapping[str, Any]:
    if len(data) > MAX_TRUST_BYTES:
        raise InvalidTrust(f"{name}: it is larger than {MAX_TRUST_BYTES} bytes")
    try:
        value = json.loads(data, parse_int=Number, parse_float=Number, parse_constant=Number)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidTrust(f"{name}: {where}it is no JSON") from None
    if not isinstance(value, dict):
        raise InvalidTrust(f"{name}: it is no JSON object")
    return value


def _bare(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `vault read -format=json` wraps into its answer."""
    inner = value.get("data")
    return inner if isinstance(inner, dict) else value


def _part(described: Mapping[str, Any], key: str, name: str) -> Fields | None:
    value = described.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidTrust(f"{name}: {key}: it is no JSON object")
    return Fields(_bare(value), name, key)


def _product(top: Fields, role: Fields | None) -> Product:
    said = top.text("product")
    if said:
        try:
            return Product(said.lower())
        except ValueError:
            raise top.invalid("product", f"it is neither vault nor openbao: {said}") from None
    is_openbao = role is not None and any(map(role.has, _OPENBAO_MARKS))
    return Product.OPENBAO if is_openbao else Product.VAULT


def _bound_claims(fields: Fields) -> dict[str, tuple[Any, ...]]:
    kind = fields.text("bound_claims_type") or "string"
    if kind not in ("string", "glob"):
        raise fields.invalid("bound_claims_type", f"invalid 'bound_claims_type': {kind}")
    bound: dict[str, tuple[Any, ...]] = {}
    for claim, wanted in fields.members("bound_claims").items():
        place = f"bound_claims.{claim}"
        values = normalized(wanted)
        if values is None:
            raise fields.invalid(place, "claim is not a string or list")
        if kind == "glob" and not all(isinstance(value, str) for value in values):
            raise fields.invalid(place, "claim is not a string")
        bound[claim] = tuple(values)
    return bound


def _claim_mappings(fields: Fields) -> dict[str, str]:
    mappings: dict[str, str] = {}
    for claim, key in fields.members("claim_mappings").items():
        place = f"claim_mappings.{claim}"
        if not isinstance(key, str):
            raise fields.invalid(place, "it is no string")
        if key == "role":
            raise fields.invalid(
                place,
                f"metadata key {quoted(key)} is reserved and may not be a mapping destination",
            )
        if key in mappings.values():
            raise fields.invalid(place, f"multiple keys are mapped to metadata key {quoted(key)}")
        mappings[claim] = key
    return mappings


def _policies(fields: Fields) -> tuple[str, ...]:
    """As a login lists them: in lower case, sorted, with `default` unless that is off."""
    named = fields.texts("token_policies") or fields.texts("policies")
    policies = {policy.strip().lower() for policy in named} - {""}
    if not fields.flag("token_no_default_policy"):
        policies.add("default")
    return tuple(sorted(policies))


def _jwk(fields: Fields, number: int, pem: str) -> Mapping[str, Any]:
    try:
        data = pem.encode()
        is_certificate = b"BEGIN CERTIFICATE" in data
        key = (
            load_pem_x509_certificate(data).public_key()
            if is_certificate
            else load_pem_public_key(data)
        )
        return PublicKey.from_cryptography(key).to_jwk()
    except (ValueError, InvalidKey):
        raise fields.invalid(
            f"jwt_validation_pubkeys[{number}]",
            "data does not contain any valid RSA or ECDSA public keys",
        ) from None
