"""Packs what a wheel needs beside its packages: the functions' code, its lock, the example's configuration.

An installation in place needs none of it, for everything stands where it is in the checkout.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
PACKED = (
    "functions",
    "requirements/runtime.txt",
    "requirements/sender.txt",
    "config/example.toml",
    "web/page",
    "web/dist/onramp.js",
)


class BuildWithProject(build_py):
    """The usual build, and the parts of the project that bundling reads, in ``onramp_cdk/project/``."""

    def run(self) -> None:
        """Build, then pack. Writes below the build folder only."""
        super().run()
        if self.editable_mode:
            return
        project = Path(self.build_lib, "onramp_cdk", "project")
        shutil.rmtree(project, ignore_errors=True)
        for name in PACKED:
            source, target = HERE / name, project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithProject})
