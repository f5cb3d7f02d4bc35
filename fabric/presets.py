"""Endpoint presets: software stacks by name, their constants as calibrated."""

from fabric.endpoint import Endpoint, EndpointError


def preset(name: str) -> Endpoint:
    """The software stack called ``name``; `EndpointError` names the choices."""
    if name != "raw":
        raise EndpointError(f"no software {name!r}; there are raw")
    return Endpoint("raw")
