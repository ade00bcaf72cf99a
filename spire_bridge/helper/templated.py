"""Editions of a template, filled from a token, an X.509-SVID or both of one identity."""

from __future__ import annotations

from collections.abc import Callable

from spire_bridge.credentials.template import Template, variables
from spire_bridge.helper.contents import X509Supply, nothing
from spire_bridge.helper.edition import Edition
from spire_bridge.helper.tokens import TokenSupply


class TemplateContent:
    """One file; it ends when the first of what it holds does."""

    def __init__(
        self, template: Template, tokens: TokenSupply | None, supply: X509Supply | None
    ) -> None:
        self._template = template
        self._tokens = tokens
        self._supply = supply

    async def obtain(self) -> Edition:
        token = await self._tokens.obtain() if self._tokens is not None else None
        material = await self._supply.obtain() if self._supply is not None else None
        filled = variables(
            x509=(material.svid, material.context) if material is not None else None,
            jwt=token.svid if token is not None else None,
        )
        return Edition(
            (self._template(filled),),
            filled.get("expires_at"),
            token.renew_at if token is not None else None,
        )

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._supply.on_change(listener) if self._supply is not None else nothing
