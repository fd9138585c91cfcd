from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from lstm_bench.record.attempt import SCHEMA_VERSION
from lstm_bench.record.migration import upgrade
from lstm_bench.record.store import read_attempt


def as_written(read, written):
    """Make sure that a record says what its JSON says, and has the defaults of what that does not say."""
    match read:
        case msgspec.Struct():
            assert set(written) <= set(read.__struct_fields__)
            for field in msgspec.structs.fields(read):
                value = getattr(read, field.name)
                if field.name in written:
                    as_written(value, written[field.name])
                else:
                    assert value == ({} if field.default is msgspec.NODEFAULT else field.default)
                    assert not field.required
        case dict():
            assert list(read) == list(written)
            for name in read:
                as_written(read[name], written[name])
        case tuple():
            for one, other in zip(read, written, strict=True):
                as_written(one, other)
        case _:
            assert (type(read), read) == (type(written), written)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_a_file_of_every_schema_version_is_read_as_it_was_written(version):
    """Each was written by the code of its time."""
    path = Path(__file__).parents[1] / "fixtures" / f"attempt-version-{version}.json"
    content = json.loads(path.read_bytes())
    assert content["schema_version"] == version
    as_written(read_attempt(path), upgrade(content["attempt"], version))
