"""Keeping freed memory: it is asked for once, only where the C library can."""

import platform

import pytest

from petiole.training.memory import keep_freed_memory


def test_glibc_is_told_once() -> None:
    keep_freed_memory.cache_clear()
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_freed_memory.cache_clear()
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
    keep_freed_memory.cache_clear()
