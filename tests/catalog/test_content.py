from __future__ import annotations

import subprocess
import sys

import pytest

from builders import a_task_info
from data_files import HTML, NUMBERS, put
from lstm_bench import DataError, read_file
from lstm_bench.catalog.content import Damaged, content_of, set_aside
from lstm_bench.catalog.data import FileStatus, look
from lstm_bench.catalog.fetching import require_files
from processes import read_only
from sites import a_data_file, squeezed

pytestmark = pytest.mark.one_interpreter

pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("numbers", NUMBERS, id="as it is"),
        pytest.param("numbers.gz", squeezed(NUMBERS), id="compressed"),
        pytest.param("numbers.gz", squeezed(NUMBERS[:1000]) + squeezed(NUMBERS[1000:]), id="compressed in two members"),
        pytest.param("numbers.gz", NUMBERS, id="decompressed by a browser, which left the name"),
        pytest.param("numbers", squeezed(NUMBERS), id="compressed, and the name lost its end"),
    ],
)
def test_a_file_is_read_however_it_is_compressed(name, content, tmp_path):
    path = put(tmp_path, content, name)
    file = a_data_file(NUMBERS)
    assert read_file(file, tmp_path) == NUMBERS
    assert look(file, tmp_path) == FileStatus("verified", path)


def test_a_file_whose_own_content_is_gzip_is_left_as_it_is(tmp_path):
    content = squeezed(NUMBERS)
    put(tmp_path, content)
    assert read_file(a_data_file(content), tmp_path) == content


def test_a_file_that_is_as_long_compressed_as_it_is_otherwise_is_decompressed(tmp_path):
    content = next(c for c in (NUMBERS[:50] + bytes(n) for n in range(100)) if len(squeezed(c)) == len(c))
    put(tmp_path, squeezed(content), "numbers.gz")
    assert read_file(a_data_file(content), tmp_path) == content


def test_no_more_is_decompressed_than_there_should_be(tmp_path):
    path = put(tmp_path, squeezed(NUMBERS + bytes(2**26)), "numbers.gz")
    pieces = []
    with pytest.raises(Damaged):
        pieces.extend(content_of(path, a_data_file(NUMBERS)))
    assert sum(map(len, pieces)) <= len(NUMBERS)


DAMAGE = [
    pytest.param("numbers", NUMBERS[:-9], "is truncated: it has 299,991 of 300,000 bytes", id="truncated"),
    pytest.param("numbers", b"", "is empty", id="empty"),
    pytest.param("numbers", NUMBERS + b"x", "has the wrong content: more than 300,000 bytes", id="too long"),
    pytest.param("numbers", NUMBERS[::-1], "has the wrong content: its SHA-256 is ", id="other content"),
    pytest.param("numbers", HTML, "is an HTML page", id="a page"),
    pytest.param(
        "numbers.gz", squeezed(NUMBERS)[:-9], "is truncated: its gzip data end too early", id="truncated gzip"
    ),
    pytest.param("numbers.gz", squeezed(NUMBERS)[:1], "is not gzip", id="hardly begun"),
    pytest.param("numbers.gz", squeezed(NUMBERS[:-1]), "has the wrong content: 299,999 bytes", id="shorter"),
    pytest.param("numbers.gz", squeezed(bytes(2**24)), "has the wrong content: more than 300,000", id="a gzip bomb"),
    pytest.param("numbers.gz", squeezed(NUMBERS[::-1]), "has the wrong content: its SHA-256", id="other gzip content"),
    pytest.param(
        "numbers.gz", squeezed(NUMBERS)[:-8] + bytes(8), "is damaged: it cannot be decompressed", id="bit rot"
    ),
    pytest.param("numbers.gz", squeezed(NUMBERS) + b"x", "is damaged: it cannot be decompressed", id="more behind it"),
    pytest.param("numbers.gz", NUMBERS[::-1], "is not gzip, as its name says", id="not gzip"),
]


@pytest.mark.parametrize("place", ["mine", "cache"])
@pytest.mark.parametrize(("name", "content", "problem"), DAMAGE)
def test_a_damaged_file_is_named_with_what_is_wrong_and_renamed(name, content, problem, place, tmp_path, watcher):
    path = put(tmp_path / place, content, name)
    (tmp_path / "mine").mkdir(exist_ok=True)
    file = a_data_file(NUMBERS)
    assert look(file, tmp_path / "mine").state == "damaged"
    assert path.exists()
    with pytest.raises(DataError) as caught:
        require_files([a_task_info("sum", files=(file,))], tmp_path / "mine", watcher)
    assert str(caught.value).startswith(f"{path} {problem}")
    assert f"; it is now {name}.bad. Put the right one in its place, or try again" in str(caught.value)
    assert [file.name for file in path.parent.iterdir()] == [f"{name}.bad"]
    assert (path.parent / f"{name}.bad").read_bytes() == content


@pytest.mark.parametrize(("name", "content", "problem"), DAMAGE)
def test_a_worker_never_gets_to_see_damaged_content(name, content, problem, tmp_path):
    path = put(tmp_path, content, name)
    with pytest.raises(DataError, match="it is now numbers") as caught:
        read_file(a_data_file(NUMBERS), tmp_path)
    assert str(caught.value).startswith(f"{path} {problem}")


def test_a_damaged_file_that_cannot_be_renamed_keeps_its_name(tmp_path):
    path = put(tmp_path, NUMBERS[::-1])
    code = f"""
from pathlib import Path
from lstm_bench import DataError, DataFile, read_file
file = {a_data_file(NUMBERS)}
try:
    read_file(file, Path({str(tmp_path)!r}))
except DataError as error:
    print(error)
"""
    with read_only(path.parent) as prefix:
        done = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"{path} has the wrong content: " in done.stdout
    assert "; it keeps its name, since it cannot be renamed (Permission denied). Replace" in done.stdout
    assert path.exists()


def test_it_is_renamed_all_the_same_if_another_process_was_faster(tmp_path):
    assert set_aside(tmp_path / "numbers", tmp_path / "numbers") == "it is now numbers.bad"


@pytest.mark.parametrize("size", [299_999, 300_001])
def test_the_right_content_of_another_size_than_the_task_says_is_not_taken_either(size, tmp_path):
    put(tmp_path, NUMBERS)
    assert look(a_data_file(NUMBERS, size=size), tmp_path).state == "damaged"
