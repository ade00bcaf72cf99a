"""A guard against configuring another account or tenant than the one that is described."""

from __future__ import annotations

from collections.abc import Sequence

from spire_bridge.cloud.hcl_writer import Attribute, Block, Expression, quoted


def only_where(reference: str, value: str, kind: str) -> Sequence[Block]:
    """What a resource holds that is for this account or tenant alone."""
    precondition = Block.of(
        "precondition",
        body=[
            [
                Attribute("condition", Expression(f"{reference} == {quoted(value)}")),
                Attribute("error_message", f"This is meant for {kind} {value}."),
            ]
        ],
    )
    return [Block.of("lifecycle", body=[precondition])]
