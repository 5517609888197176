"""Settings for all tests."""

import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # figures need no screen, in the docstrings' examples either

# The same examples in every run, so that a failure is the change's. HYPOTHESIS_PROFILE=hunt looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("hunt", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
