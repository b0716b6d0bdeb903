"""Fetching the full Fashion-MNIST from where Zalando published it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadData, MissingDependency

if TYPE_CHECKING:
    from rich.progress import Progress

# Addresses and checksums: README of github.com/zalandoresearch/fashion-mnist
URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
RETRIES = 2  # after a broken connection or a wrong checksum
TIMEOUT = 30  # seconds without an answer


def get_fashion_mnist(folder: Path | None = None) -> Path:
    """Download the four files (30 MB) into a folder and return it; `fashion_mnist(folder)` reads it.

    A file that is there with the right checksum is not fetched again. None is the user's cache folder.
    Raises BadData where a file cannot be fetched, and MissingDependency without pooch.
    """
    try:
        import pooch
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
    except ImportError as error:
        raise MissingDependency(
            f"downloads need pooch and rich, but {error.name} is not installed; they come with "
            f"`pip install intspike`: run it again, or `pip install pooch rich`"
        ) from error
    folder = Path(pooch.os_cache("intspike")) / "fashion_mnist" if folder is None else Path(folder)
    registry = {name: f"md5:{digest}" for name, digest in MD5.items()}
    store = pooch.create(path=folder, base_url=URL, registry=registry, retry_if_failed=RETRIES)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=Console(stderr=True)) as shown:
        for name in registry:
            bar: Any = Bar(shown, name)  # pooch's annotations say bool, its documentation also such an object
            download: Any = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT)
            try:
                store.fetch(name, downloader=download)
            except (OSError, ValueError) as error:  # network, disk; checksum. requests raises OSError
                raise BadData(
                    f"{name} must be fetched from {URL} into {folder}, but that failed ({error}). Check the "
                    f"network and try again; or fetch the four files by other means and name their folder: "
                    f"--data DIR, or fashion_mnist(DIR). The embedded sample, fashion_mnist(), needs no network"
                ) from error
    return folder


class Bar:
    """One file's line of a rich progress display, in the form that pooch calls."""

    def __init__(self, shown: Progress, name: str):
        self.shown, self.task, self.total = shown, shown.add_task(name, total=None), 0

    def update(self, n: int) -> None:
        """n more bytes have arrived."""
        self.shown.update(self.task, total=self.total or None, advance=n)

    def reset(self) -> None:
        """Back to no bytes: pooch does so before it fills the bar to its end."""
        self.shown.reset(self.task)

    def close(self) -> None:
        """The file is there."""
        self.shown.refresh()
