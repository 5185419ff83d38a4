"""Unpacking a downloaded archive without trusting it."""

import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from petiole.cache import cache_errors
from petiole.download import CHUNK_BYTES, DownloadError, new_folder

UNSOUND = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError)
"""What reading a damaged archive raises; RuntimeError: it is encrypted; ValueError: a name is no text."""


def extract_zip(archive: Path, target: Path, *, max_bytes: int = 2 << 30, max_files: int = 100_000) -> None:
    """Extract a zip archive to the new folder ``target``, all of it or nothing, and nothing outside of it.

    Raises:
        DownloadError: not a zip archive, broken, encrypted, larger than ``max_bytes`` unpacked, or with a
            member that is absolute, climbs out by ``..``, has no name, is a link, lies below another file, or is
            packed in a way that photo archives are not.
        UserError: ``target`` cannot be written.
    """
    try:
        with new_folder(target) as fresh, zipfile.ZipFile(archive) as bundle:
            _check_members(bundle, archive, max_bytes, max_files)
            for member in bundle.infolist():
                if not member.is_dir():
                    with bundle.open(member) as source:
                        _write(source, fresh / member.filename, member.file_size)
    except UNSOUND as error:
        raise DownloadError(f"{archive.name} is not a sound zip archive ({error}): not unpacked") from error


def _check_members(bundle: zipfile.ZipFile, archive: Path, max_bytes: int, max_files: int) -> None:
    """Refuse an archive that would write outside its folder or fill the disk."""
    members = bundle.infolist()
    files = {str(PurePosixPath(member.filename)) for member in members if not member.filename.endswith("/")}
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]):
            raise DownloadError(f"{archive.name}: member {member.filename!r} leads outside: not unpacked")
        if not path.parts and not member.filename.endswith("/"):
            raise DownloadError(f"{archive.name}: member {member.filename!r} has no name: not unpacked")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DownloadError(f"{archive.name}: member {member.filename!r} is a link: not unpacked")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DownloadError(f"{archive.name}: member {member.filename!r} is not packed by deflate: not unpacked")
        if files.intersection(map(str, path.parents)):
            raise DownloadError(f"{archive.name}: member {member.filename!r} lies below a file: not unpacked")
    unpacked_bytes = sum(member.file_size for member in members)
    if unpacked_bytes > max_bytes or len(members) > max_files:
        size = f"{len(members)} files, {unpacked_bytes} bytes"
        raise DownloadError(f"{archive.name} is too large unpacked ({size}): not unpacked")


def _write(source: IO[bytes], path: Path, declared_bytes: int) -> None:
    """Copy a member to ``path``; zipfile itself stops at the declared size and checks the CRC."""
    with cache_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    with file:
        while chunk := source.read(CHUNK_BYTES):
            with cache_errors(path):
                file.write(chunk)
    if path.stat().st_size != declared_bytes:
        raise zipfile.BadZipFile(f"{path.name} is shorter than declared")
