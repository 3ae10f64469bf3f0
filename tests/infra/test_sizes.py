from pathlib import Path

from infra.sizes import Size, size_of, sizes

LARGEST_APP = 35_000_000
LARGEST_RECEIVER = 150_000
LARGEST_PAGE = 250_000


def test_a_package_is_measured_packed_and_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x" * 10_000)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.py").write_bytes(b"y" * 5)
    size = size_of(tmp_path)
    assert (size.unpacked, size.files) == (10_005, 2)
    assert 0 < size.archive < 1_000


def test_packages_stay_small() -> None:
    measured: dict[str, Size] = {str(name): size for name, size in sizes().items()}
    assert measured["app"].unpacked < LARGEST_APP
    assert measured["receiver"].unpacked < LARGEST_RECEIVER
    assert measured["page"].unpacked < LARGEST_PAGE
