"""Named configurations: the whole lab, and a small version for trying out."""

from petiole.errors import unknown_choice
from petiole.lab.config import Effort


def lab() -> Effort:
    """The lab as it is handed in."""
    return Effort()


def quick() -> Effort:
    """Everything once, briefly: to see that it runs, not to quote its figures."""
    return Effort(
        scratch_epochs=8, probe_epochs=20, probe_views=1, transfer_epochs=1, retrain_first_epochs=1,
        retrain_global_epochs=1, structured_epochs=1, structured_first=False, structured_qat=False, prune_steps=1,
        refit_photos=96, photo_qat_epochs=1,
        lenet_epochs=2, lenet_qat_epochs=1, lenet_prune_epochs=1,
        calibration_images=16, latency_samples=10, latency_seconds=0.02, latency_rounds=2, batch_samples=0,
        profile_rounds=2, curve_amounts=(0.3, 0.6), study_amounts=(0.3, 0.6), sensitivity_amounts=(0.5, 0.75),
        drawn_photos=48,
    )  # fmt: skip


PROFILES = {"lab": lab, "quick": quick}


def effort(profile: str) -> Effort:
    """The effort of a named profile.

    Raises:
        UserError: there is no profile of that name.
    """
    if profile not in PROFILES:
        raise unknown_choice("profile", profile, list(PROFILES))
    return PROFILES[profile]()
