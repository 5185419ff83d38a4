"""What makes a run's figures mean something else than a reader would think."""

from collections.abc import Iterable

from petiole.records import Latency, Photos, Results


def random_weights(results: Results) -> bool:
    """Whether what should be pretrained is not: the user chose ``--weights random``."""
    return results.run.weights == "random" or any(
        variant.weights == "random"
        for variant in results.variants
        if variant.dataset == "photos" and variant.name != "CNNScratch"
    )


BUSY_SHARE = 0.1
"""More of the cores' time than this in other processes' hands, and a timing is not of the network alone."""


def busy_share(timings: Iterable[Latency]) -> float | None:
    """The largest share of the cores' time that other processes had while one of them was taken; None where it was
    no more than :data:`BUSY_SHARE`."""
    share = max((time.others_share or 0.0 for time in timings), default=0.0)
    return share if share > BUSY_SHARE else None


def synthetic_photos(results: Results) -> Photos | None:
    """The photos, if they are drawn and not photographed."""
    photos = results.data.photos
    return photos if photos is not None and photos.synthetic else None


def may_have_been_seen(results: Results) -> bool:
    """Whether the pretrained weights may have been learned from some of the test photos: those of ants and bees are "a
    very small subset of imagenet" (PyTorch's tutorial on transfer learning, which published them)."""
    photos = results.data.photos
    return (
        photos is not None
        and not photos.synthetic
        and set(photos.classes) == {"ants", "bees"}
        and not random_weights(results)
    )


def seen_before(results: Results) -> str:
    """The same as a sentence; "" where nothing is known of it."""
    if not may_have_been_seen(results):
        return ""
    return (
        " These photos are said to be a part of ImageNet, on which the network was pretrained: it may have seen some "
        "of the test photos, and then its accuracy, and the gain over CNNScratch, may be higher than on new ones."
    )
