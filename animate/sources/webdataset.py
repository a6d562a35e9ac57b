"""`webdataset`: tars of images with txt|caption|json, as img2dataset and others write them."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from animate.data import PARQUET, Fault, Frozen, Part
from animate.recipe import SourceRecipe
from animate.sources.carried import CarriedTypes, carried
from animate.sources.duplicates import image_identity, refuse_duplicates
from animate.sources.errors import SourceError
from animate.sources.facts import write_files
from animate.sources.filters import raw_columns
from animate.sources.listing import Row, freeze_rows
from animate.sources.paths import files_fingerprint, find_files, is_url
from animate.sources.regular import open_anywhere
from animate.sources.sidecar import sidecar_types
from animate.sources.tar_samples import MORE, json_record, tars_root
from animate.sources.tars import (
    PLAIN_TARS,
    TAR_SUFFIXES,
    BrokenTar,
    Extent,
    TarSample,
    read_extent,
    scan,
    stream,
    tar_stem,
)
from animate.sources.unpacking import is_packed

#: A corpus of streams has the columns of this many samples at the beginning of its first tar.
PEEKED = 100


class WebDataset:
    """Samples of one tar or of many, in order.

    Local tars are listed from their headers, so repeated keys are found over all of them, and members of a
    sample need not be neighbours. Tars behind a URL and compressed ones can only be read from front to back:
    each is one part, repeated keys are found within it alone, and only neighbours are put together.
    """

    def __init__(self, source: SourceRecipe):
        self.source = source
        self.files = find_files(source.path, TAR_SUFFIXES)
        wrong = next((file for file in self.files if not file.lower().endswith(TAR_SUFFIXES)), None)
        if wrong is not None:
            raise SourceError(
                f"source.path {source.path!r}: {wrong!r} does not end in {', '.join(TAR_SUFFIXES)}"
            )
        self.root = tars_root(source)
        streamed = [file for file in self.files if _is_streamed(file)]
        if streamed and len(streamed) < len(self.files):
            raise SourceError(
                f"source.path {source.path!r}: plain local tars and others, such as {streamed[0]!r}, mixed"
            )
        self.streamed = bool(streamed)

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        beside = (tar_stem(file) + PARQUET for file in self.files)
        write_files(folder, [*self.files, *(file for file in beside if os.path.isfile(file))], self.root)
        if self.streamed:
            refuse_duplicates(self.source, "tars that are read as a stream")
            paths = [file if is_url(file) else os.path.relpath(file, self.root) for file in self.files]
            parts = tuple(Part(reader="tar_stream", path=path, rows=None) for path in paths)
            return Frozen(parts=parts, columns=_peek(self.files[0]).columns(MORE, *raw_columns(self.source)))
        if self.source.filters.duplicates == "url":
            refuse_duplicates(self.source, "tars, whose addresses are read with the images; use 'sha256'")
        types = CarriedTypes()
        return freeze_rows(
            self._rows(types),
            "tar",
            folder,
            rows_per_shard,
            self.source,
            identify=image_identity(self.source, self.root),
            types=types,
        )

    def _rows(self, types: CarriedTypes) -> Iterator[Row]:
        """A row for each sample; `types` learns on the way what the samples carry."""
        for path in self.files:
            file, count = os.path.relpath(path, self.root), 0
            types.see_types(sidecar_types(path))
            try:
                with contextlib.ExitStack() as opened:
                    tar: IO[bytes] | None = None
                    for sample in scan(path):
                        count += 1
                        row = _sample_row(sample, file)
                        if row.json is not None:
                            tar = tar or opened.enter_context(open(path, "rb"))
                            types.see(carried((json_record(read_extent(tar, row.json)) or {}).items()))
                        yield row
            except BrokenTar as error:
                # One row for all that cannot be read: nobody can tell how many samples that is.
                fault = Fault("broken_archive", f"{file} {error}")
                yield Row(f"{tar_stem(file)}-after-{count:06d}", None, file, fault=fault)


def _peek(path: str) -> CarriedTypes:
    """What the first samples of a tar carry; nothing if it cannot be read, which its worker will report."""
    types = CarriedTypes()
    try:
        types.see_types(sidecar_types(path))
        with open_anywhere(path) as file:
            for sample in itertools.islice(stream(file), PEEKED):  # type: ignore[arg-type]
                types.see(carried((json_record(sample.json) or {}).items()))
    except (BrokenTar, OSError):
        return types
    return types


def _sample_row(sample: TarSample[Extent], file: str) -> Row:
    return Row(
        sample.key,
        None,
        file,
        fault=sample.fault(f" in {file}"),
        image=sample.image,
        text=sample.text,
        json=sample.json,
    )


def _is_streamed(file: str) -> bool:
    """Whether it can only be read from front to back; a packed tar may be called `.tar` as well."""
    return is_url(file) or not file.lower().endswith(PLAIN_TARS) or is_packed(file)
