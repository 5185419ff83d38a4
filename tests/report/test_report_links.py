"""What lies outside a run directory does not get into what is made of it, whatever links are in there."""

import base64
import zipfile
from pathlib import Path

from fabricated import results, variant
from petiole.figure_records import Thumbnail
from petiole.report.bundle import write_bundle
from petiole.report.html import write_report

SECRET = b"a private key, base64 of which is told at once"


def test_a_link_to_a_file_elsewhere_is_not_followed(tmp_path: Path) -> None:
    run, secret = tmp_path / "run", tmp_path / "secret"
    secret.write_bytes(SECRET)
    (run / "thumbnails").mkdir(parents=True)
    (run / "thumbnails" / "link.jpg").symlink_to(secret)
    (run / "thumbnails" / "photo.jpg").write_bytes(b"its own")
    (run / "predictions").symlink_to(tmp_path)
    pictures = [
        Thumbnail(split="train", number=at, path=f"train/ants/{at}.jpg", label="ants", file=f"thumbnails/{name}.jpg",
                  sample=True)
        for at, name in enumerate(("link", "photo"))
    ]  # fmt: skip
    made = results([variant("CNNScratch", 70, predictions="predictions/secret")], thumbnails=pictures)
    text = write_report(run, made).read_text(encoding="utf-8")
    assert base64.b64encode(b"its own").decode() in text
    assert base64.b64encode(SECRET).decode() not in text
    with zipfile.ZipFile(write_bundle(run, made, weights=False)) as archive:
        names = archive.namelist()
        assert "run/thumbnails/photo.jpg" in names
        assert not {"run/thumbnails/link.jpg", "run/predictions/secret"} & set(names)
        assert all(SECRET not in archive.read(name) for name in names if not name.startswith("run/source/"))
