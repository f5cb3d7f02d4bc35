"""Builds what of the project is in C, where there is a compiler; all of it has a twin in Python."""

import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

NAME, SOURCE = "fabric.transports.zmq._moves", "fabric/transports/zmq/_moves.c"
ABI = "0x030b0000"  # of Python 3.11: what is built with it works with all later ones


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds the compiled extension to the wheel, or puts it beside its source for `pip -e`."""

    _room: tempfile.TemporaryDirectory[str] | None = None

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built on the way; by now it is where it belongs."""
        if self._room is not None:
            self._room.cleanup()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and say what the wheel then has."""
        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            return  # it has no stable ABI
        built = self._built()
        if built is None:
            return
        relative = Path(SOURCE).with_name(built.name)
        if version == "editable":
            new = Path(self.root) / relative.with_suffix(".new")
            new.write_bytes(built.read_bytes())
            new.replace(Path(self.root) / relative)  # programs that run keep the old one
            return
        platform = next(t.platform for t in sys_tags() if "manylinux" not in t.platform)
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"
        build_data["force_include"][str(built)] = str(relative)

    def _built(self) -> Path | None:
        """The extension's file, None where it cannot be built."""
        extension = Extension(
            NAME, [str(Path(self.root) / SOURCE)], py_limited_api=True, optional=True,
            define_macros=[("Py_LIMITED_API", ABI)],
            extra_compile_args=[] if sys.platform == "win32" else ["-O3"],
        )  # fmt: skip
        build = build_ext(Distribution({"ext_modules": [extension]}))
        self._room = tempfile.TemporaryDirectory(prefix="triplane-")
        build.build_lib = build.build_temp = self._room.name
        build.ensure_finalized()
        build.run()
        return next(Path(build.build_lib).rglob(f"{NAME.rpartition('.')[2]}.*so"), None)
