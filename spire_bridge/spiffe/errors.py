"""What can be wrong with an SVID or a bundle."""

from spire_bridge.errors import BridgeError


class InvalidSvid(BridgeError):
    """An SVID breaks its specification, whoever issued it."""

    code = "SVID_INVALID"


class UntrustedSvid(InvalidSvid):
    """A well-formed SVID that is not proven, not for this audience, or not valid now."""

    code = "SVID_UNTRUSTED"


class InvalidBundle(BridgeError):
    """A bundle is refused as a whole; the last good one stays in force."""

    code = "BUNDLE_INVALID"
