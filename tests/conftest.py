from __future__ import annotations

import os

from hypothesis import settings

# A run that decides whether a change lands must not depend on luck; everybody else's may find something new.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
