"""NIXL's exceptions, as far as they can be raised here."""

from topology.errors import TriplaneError


class NixlError(TriplaneError):
    """An agent was asked for what it cannot do."""


class NixlNotFoundError(NixlError):
    """There is no such agent, or no such memory is registered."""


class NixlInvalidParamError(NixlError):
    """What was passed does not fit."""


class NixlNotSupportedError(NixlError):
    """NIXL can do it, and this adapter cannot."""
