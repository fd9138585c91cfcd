"""Names that tests of the page in a browser share."""

from __future__ import annotations

from pathlib import Path

RESULTS = Path(__file__).parents[2] / "results"

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}

ROWS = "tbody.row:not([hidden])"

HOSTILE = "<script>document.title = 'hacked'</script>\"'><img src=x onerror=\"document.title = 'hacked'\">"
