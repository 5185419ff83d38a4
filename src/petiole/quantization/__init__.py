"""Quantization: the handout's eager engine, PT2E for all that is deployed, and the check that it happened."""

import logging

# torchao registers an enum class as torch once asked it to; torch now logs that this is no longer needed.
logging.getLogger("torch.utils._pytree").addFilter(lambda record: "register_constant" not in record.getMessage())
