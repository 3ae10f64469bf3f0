"""How large each function's package is: ``python -m infra.sizes``.

Lambda takes 50 MB of archive and 250 MB unpacked; a cold start gets slower long before.
"""

import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from infra.bundling import BundleError, build_bundles
from infra.cards import CARDS, PackageName

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a package, packed and unpacked, and how many files it has."""

    archive: int
    unpacked: int
    files: int


def size_of(folder: Path) -> Size:
    """Pack a bundle into a temporary file, as a deployment does, and measure it."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(folder))
        packed = file.seek(0, 2)
    return Size(packed, sum(path.stat().st_size for path in files), len(files))


def sizes() -> dict[PackageName, Size]:
    """The size of each package for Lambda's platform. Raises `BundleError`."""
    return {name: size_of(bundle.path) for name, bundle in build_bundles(local=False).items()}


def main() -> None:
    """Print a line for each function."""
    try:
        measured = sizes()
    except BundleError as error:
        sys.exit(f"onramp: {error}")
    lines = [f"{'function':<22} {'package':<9} {'archive MB':>10} {'unpacked MB':>12} {'files':>6}"]
    for name, card in CARDS.items():
        size = measured[card.package]
        megabytes = f"{size.archive / MEGABYTE:>10.2f} {size.unpacked / MEGABYTE:>12.2f}"
        lines.append(f"{name:<22} {card.package:<9} {megabytes} {size.files:>6}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
