"""A file of any shape, from a template in a part of Jinja2 (the extra `templates`). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from spire_bridge.credentials.authorities import authorities
from spire_bridge.credentials.errors import InvalidOutput, RenderFailure
from spire_bridge.errors import EXIT_USAGE, BridgeError
from spire_bridge.spiffe.x509_bundle import certificates_pem

if TYPE_CHECKING:
    import jinja2

    from spire_bridge.spiffe.jwt_svid import UnverifiedJwtSvid
    from spire_bridge.spiffe.x509_svid import X509Svid
    from spire_bridge.workload.messages import X509Context


class TemplatesMissing(BridgeError):
    """Templates are wanted and Jinja2 is not installed."""

    code = "TEMPLATES_MISSING"
    exit_status = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class Template:
    """A template that has been read; `variables` makes what it is filled with."""

    is_secret: ClassVar[bool] = True  # it may hold the key or the token

    name: str
    compiled: jinja2.Template = field(repr=False, compare=False)

    @classmethod
    def parse(cls, source: str, *, name: str) -> Self:
        """Reads a template; `name` is for messages.

        Raises `InvalidOutput` for one that is malformed or uses what files' templates may not,
        and `TemplatesMissing`.
        """
        try:
            import jinja2

            from spire_bridge.credentials.template_language import MAX_SOURCE_BYTES, Environment
        except ImportError:
            raise TemplatesMissing(
                f"template {name} needs Jinja2, which is not installed",
                hint="pip install 'spire-bridge[templates]'",
            ) from None
        if len(source.encode(errors="replace")) > MAX_SOURCE_BYTES:
            raise InvalidOutput(f"template {name} is larger than {MAX_SOURCE_BYTES} bytes")
        environment = Environment()
        try:
            return cls(name, environment.from_string(environment.restricted(source)))
        except jinja2.TemplateSyntaxError as error:
            problem = f"line {error.lineno}: {error.message}"
        except jinja2.TemplateError as error:
            problem = str(error)
        except RecursionError:
            problem = "nested too deeply"
        raise InvalidOutput(f"template {name}: {problem}")

    def __call__(self, variables: Mapping[str, Any]) -> bytes:
        """The file. Raises `RenderFailure`, whose message holds no value of a variable."""
        import jinja2

        from spire_bridge.credentials.template_language import MAX_BYTES, counter

        result = bytearray()
        try:
            for piece in self.compiled.generate({**variables, "_counted": counter()}):
                result += piece.encode()
                if len(result) > MAX_BYTES:
                    raise RenderFailure(
                        f"template {self.name} makes a file of more than {MAX_BYTES} bytes"
                    )
        except jinja2.UndefinedError as error:
            problem = error.message or "a variable is missing"
        except jinja2.TemplateError as error:
            problem = error.message or type(error).__name__
        except (TypeError, ValueError, ArithmeticError, RecursionError):  # may quote values
            problem = "a filter or a comparison got a value that it can't take"
        else:
            return bytes(result)
        known = ", ".join(sorted(variables))
        raise RenderFailure(f"template {self.name}: {problem}", hint=f"its variables: {known}")


def variables(
    *, x509: tuple[X509Svid, X509Context] | None = None, jwt: UnverifiedJwtSvid | None = None
) -> dict[str, Any]:
    """What a template is filled with: of an X.509-SVID in its context, and of a token.

    With `x509`: `certificates` (leaf and intermediates), `key`, `bundle`, `bundles` by trust
    domain, all in PEM. With either: `svid.spiffe_id`, `svid.trust_domain`, `svid.hint`, and
    `expires_at`, the earlier end in seconds since the epoch. With `jwt`: `svid.token`,
    `svid.audience` (a list). Raises `RenderFailure`, and `InvalidOutput` for two identities.
    """
    svid: dict[str, Any] = {}
    found: dict[str, Any] = {"svid": svid}
    ends = []
    for one in (jwt, x509[0] if x509 is not None else None):
        if one is not None:
            if svid and svid["spiffe_id"] != str(one.spiffe_id):
                raise InvalidOutput("a template is filled from one identity, not from two")
            svid |= {
                "spiffe_id": str(one.spiffe_id),
                "trust_domain": str(one.spiffe_id.trust_domain),
                "hint": one.hint,
            }
    if jwt is not None:
        svid |= {"token": jwt.token, "audience": list(jwt.audience)}
        ends.append(jwt.expires_at)
    if x509 is not None:
        x509_svid, context = x509
        found |= {
            "certificates": x509_svid.chain_pem().decode(),
            "key": x509_svid.private_key_pem().decode(),
            "bundle": certificates_pem(authorities(x509_svid, context)).decode(),
            "bundles": {str(td): bundle.pem().decode() for td, bundle in context.bundles.items()},
        }
        ends.append(int(x509_svid.expires_at.timestamp()))
    if ends:
        found["expires_at"] = min(ends)
    return found
