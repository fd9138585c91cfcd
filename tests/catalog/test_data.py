from __future__ import annotations

import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from builders import a_task_info
from lstm_bench import DataError, read_file
from lstm_bench.catalog import data, download
from lstm_bench.catalog.data import Unavailable, bring, cache_folder, fetch, folders, look, require_files
from processes import read_only
from sites import a_data_file, serving, squeezed

NUMBERS = np.random.default_rng(0).integers(0, 99, 300_000, np.uint8).tobytes()
"""Large enough that it comes in several pieces, and gzip makes something of it."""

HTML = b"\n<!DOCTYPE html>\n<html>log in first</html>"


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    for name in ("LSTM_BENCH_DATA", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def site():
    with serving() as site:
        yield site


class Recorder:
    """Keeps what it is told."""

    def __init__(self):
        self.begun, self.counts, self.ended, self.said = [], [], [], []

    def begin(self, file, url):
        self.begun.append(url)

    def progress(self, done, total):
        self.counts.append((done, total))

    def end(self, file, path):
        self.ended.append(path)

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def watcher():
    return Recorder()


def cached():
    """The names of what lies in the cache, but for the lock."""
    return sorted(path.name for path in (cache_folder() / "some").iterdir() if path.name != ".lock")


def put(folder, content, name="numbers"):
    path = folder / "some" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- finding and reading


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
    assert look(file, tmp_path) == data.Found("verified", path)


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
    with pytest.raises(data._Damaged):
        pieces.extend(data._content(path, a_data_file(NUMBERS)))
    assert sum(map(len, pieces)) <= len(NUMBERS)


def test_the_users_folder_comes_before_the_cache(tmp_path):
    file = a_data_file(NUMBERS)
    in_cache = put(cache_folder(), NUMBERS)
    assert look(file, tmp_path / "mine").path == in_cache
    mine = put(tmp_path / "mine", squeezed(NUMBERS), "numbers.gz")
    assert look(file, tmp_path / "mine").path == mine
    assert look(file, None).path == in_cache


def test_the_cache_is_where_the_system_keeps_such_things_unless_another_place_is_named(tmp_path, monkeypatch):
    assert folders(None) == [tmp_path / "cache"]
    monkeypatch.delenv("LSTM_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert folders(tmp_path) == [tmp_path, tmp_path / "xdg" / "lstm-bench"]


def test_a_worker_that_finds_nothing_fetches_nothing_and_says_where_to_put_it(site, tmp_path):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
    with pytest.raises(DataError, match=rf"numbers is missing\. Put numbers into {cache_folder()}/some \(with \.gz"):
        read_file(file, None)
    with pytest.raises(DataError, match=rf"Put numbers into {tmp_path}/some "):
        read_file(file, tmp_path)
    assert site.asked == []


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
    assert data._set_aside(tmp_path / "numbers", tmp_path / "numbers") == "it is now numbers.bad"


@pytest.mark.parametrize("size", [299_999, 300_001])
def test_the_right_content_of_another_size_than_the_task_says_is_not_taken_either(size, tmp_path):
    put(tmp_path, NUMBERS)
    assert look(a_data_file(NUMBERS, size=size), tmp_path).state == "damaged"


@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
def test_a_folder_by_the_files_name_is_not_taken_for_it(name, tmp_path):
    (tmp_path / "some" / name).mkdir(parents=True)
    assert look(a_data_file(NUMBERS), tmp_path).state == "missing"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "numbers").symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=r"cannot read .*numbers: Input/output error"):
        look(a_data_file(NUMBERS), tmp_path)


# --- making sure before anything runs


def test_files_that_are_there_are_not_fetched(site, tmp_path, watcher):
    first = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
    second = a_data_file(NUMBERS, site.put("more", NUMBERS), name="more")
    put(tmp_path, NUMBERS)
    put(cache_folder(), squeezed(NUMBERS), "more.gz")
    require_files(
        [a_task_info("sum", files=(first, second)), a_task_info("product", files=(first,))], tmp_path, watcher
    )
    assert site.asked == watcher.begun == watcher.said == []


def test_files_that_are_missing_are_fetched_once_each(site, watcher):
    files = [a_data_file(NUMBERS, site.put(name, NUMBERS), name=name) for name in ("one", "two", "three")]
    require_files([a_task_info("sum", files=files[:2]), a_task_info("product", files=files[1:])], None, watcher)
    assert cached() == ["one", "three", "two"]
    assert len(site.asked) == 3
    assert [read_file(file, None) for file in files] == [NUMBERS] * 3


def test_a_task_without_files_needs_neither_folder_nor_cache(tmp_path, watcher):
    require_files([a_task_info("sum")], tmp_path / "nowhere", watcher)
    assert not cache_folder().exists()


def test_a_users_folder_that_is_not_there_is_an_error(tmp_path, watcher):
    with pytest.raises(DataError, match=rf"there is no folder {tmp_path}/nowhere: let LSTM_BENCH_DATA name"):
        require_files([a_task_info("sum", files=(a_data_file(NUMBERS),))], tmp_path / "nowhere", watcher)


def test_no_network_and_no_data_is_one_line_with_all_that_is_missing_and_where_to_put_it(tmp_path, watcher):
    with socket.socket() as taken:  # bound, and not listened to: whoever asks is turned away
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        urls = [f"http://{host}/{name}" for name in ("a", "b")]
        files = [a_data_file(NUMBERS, *urls, name=name) for name in ("one", "two")]
        files.append(a_data_file(NUMBERS, *urls, name="three", folder="other"))
        put(cache_folder(), NUMBERS, "one")
        with pytest.raises(DataError) as caught:
            require_files([a_task_info("sum", files=files)], None, watcher)
    here = cache_folder()
    assert str(caught.value) == (
        f"two cannot be fetched: {host} cannot be reached (Connection refused); {host} cannot be reached (Connection "
        "refused). "
        f"Put two into {here}/some; three into {here}/other (with .gz behind a name if it is compressed)"
    )
    assert watcher.begun == urls  # having learnt that there is no network, it asks no further


def test_what_was_fetched_before_another_could_not_be_is_not_said_to_be_missing(site, watcher):
    files = [a_data_file(NUMBERS, f"{site.url}/{name}", name=name) for name in ("one", "two", "three")]
    site.put("one", NUMBERS)
    with pytest.raises(DataError, match=r"two cannot be fetched: .*\. Put two, three into "):
        require_files([a_task_info("sum", files=files)], None, watcher)


def test_a_file_without_an_address_is_for_the_user_to_bring(watcher):
    with pytest.raises(DataError, match="numbers cannot be fetched: no address is known for it"):
        require_files([a_task_info("sum", files=(a_data_file(NUMBERS),))], None, watcher)


# --- fetching


@pytest.mark.parametrize(
    ("path", "content", "name"),
    [
        pytest.param("numbers", NUMBERS, "numbers", id="as it is"),
        pytest.param("numbers.gz", squeezed(NUMBERS), "numbers.gz", id="compressed"),
        pytest.param("numbers.gz", NUMBERS, "numbers", id="decompressed on the way"),
    ],
)
@pytest.mark.parametrize("how", [{}, {"length": False}])
def test_what_is_fetched_is_stored_as_it_came(path, content, name, how, site, watcher):
    url = site.put(path, content, **how)
    file = a_data_file(NUMBERS, url)
    assert fetch(file, watcher) == cache_folder() / "some" / name
    assert cached() == [name]
    assert (cache_folder() / "some" / name).read_bytes() == content
    assert read_file(file, None) == NUMBERS
    assert (watcher.begun, watcher.ended, watcher.said) == ([url], [cache_folder() / "some" / name], [])
    assert {total for _, total in watcher.counts} == {None if how else len(content)}
    counts = [done for done, _ in watcher.counts]
    assert counts[0] == 0
    assert counts[-1] == len(content)
    assert counts == sorted(counts)


def test_a_file_that_is_in_the_cache_is_only_checked(site, watcher):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
    path = put(cache_folder(), NUMBERS)
    assert fetch(file, watcher) == path
    assert site.asked == []


def test_a_damaged_file_of_the_cache_is_fetched_anew_when_asked_for(site, watcher, tmp_path):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
    path = put(cache_folder(), NUMBERS[::-1])
    assert bring(file, tmp_path, watcher) == path
    assert path.read_bytes() == NUMBERS
    assert cached() == ["numbers", "numbers.bad"]
    assert [line for line in watcher.said if line.startswith(f"{path} has the wrong content")] == watcher.said != []


def test_a_damaged_file_of_the_user_is_not_passed_over(site, watcher, tmp_path):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
    put(tmp_path, NUMBERS[::-1])
    with pytest.raises(DataError, match="has the wrong content"):
        bring(file, tmp_path, watcher)
    assert site.asked == []


@pytest.mark.parametrize("how", [{}, {"length": False}], ids=["with a length", "without"])
@pytest.mark.parametrize("squeeze", [bytes, squeezed], ids=["as it is", "compressed"])
def test_after_a_broken_connection_it_goes_on_where_it_was(squeeze, how, site, watcher):
    content = squeeze(NUMBERS)
    file = a_data_file(NUMBERS, site.put("numbers.gz", content, breaks=[100_000, 0, 50_000, 0], **how))
    fetch(file, watcher)
    assert site.asked == [("numbers.gz", begin) for begin in (0, 100_000, 100_000, 150_000, 150_000)]
    assert read_file(file, None) == NUMBERS
    assert len(watcher.said) == 4
    assert all(line.endswith(": trying again") for line in watcher.said)


def test_a_server_that_cannot_go_on_in_the_middle_begins_again(site, watcher):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS, breaks=[100_000], ranges=False))
    fetch(file, watcher)
    assert site.asked == [("numbers", 0), ("numbers", 100_000)]
    assert read_file(file, None) == NUMBERS


def test_a_connection_that_breaks_without_bringing_anything_is_given_up(site, watcher):
    url = site.put("numbers", NUMBERS, breaks=[1000, *[0] * 99])
    other = site.put("other", NUMBERS)
    file = a_data_file(NUMBERS, url, other)
    fetch(file, watcher)
    assert site.asked == [("numbers", 0), *[("numbers", 1000)] * data.FRUITLESS_TRIES, ("other", 0)]
    assert cached() == ["numbers"]


def test_what_has_come_is_kept_for_the_next_time(site, watcher):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS, breaks=[1000, 2000, 0, 0]))
    with pytest.raises(Unavailable):
        fetch(file, watcher)
    (part,) = (cache_folder() / "some").glob("*.part")
    assert part.read_bytes() == NUMBERS[:3000]


def test_a_connection_that_always_breaks_is_given_up_and_gone_on_with_another_time(site, watcher):
    url = site.put("numbers", NUMBERS, breaks=[10_000] * 12)
    file = a_data_file(NUMBERS, url)
    with pytest.raises(
        Unavailable, match=r"numbers cannot be fetched: 127.0.0.1:\d+ broke off after 100,000 of 300,000 bytes"
    ):
        fetch(file, watcher)
    assert len(site.asked) == data.TRIES
    (part,) = (cache_folder() / "some").glob("numbers.*.part")
    assert part.read_bytes() == NUMBERS[:100_000]
    fetch(file, watcher)
    assert site.asked[data.TRIES] == ("numbers", 100_000)
    assert cached() == ["numbers"]


def test_a_file_of_which_only_the_name_was_missing_is_not_fetched_again(site, watcher):
    content = squeezed(NUMBERS)
    url = site.put("numbers.gz", content, breaks=[0, 0])
    file = a_data_file(NUMBERS, url)
    with pytest.raises(Unavailable):
        fetch(file, watcher)
    (part,) = (cache_folder() / "some").glob("*.part")
    part.write_bytes(content)
    fetch(file, watcher)
    assert site.asked[-1] == ("numbers.gz", len(content))
    assert watcher.counts[-1] == (0, len(content))  # of the first tries
    assert read_file(file, None) == NUMBERS


@pytest.mark.parametrize("squeeze", [bytes, squeezed], ids=["as it is", "compressed"])
def test_a_beginning_of_something_else_is_thrown_away(squeeze, site, watcher):
    url = site.put("numbers.gz", squeeze(NUMBERS[::-1]), breaks=[100_000, 0, 0])
    file = a_data_file(NUMBERS, url)
    with pytest.raises(Unavailable):
        fetch(file, watcher)
    site.put("numbers.gz", squeeze(NUMBERS))
    site.asked.clear()
    fetch(file, watcher)
    assert site.asked == [("numbers.gz", 100_000), ("numbers.gz", 0)]
    assert read_file(file, None) == NUMBERS
    assert cached() == [fetch(file, watcher).name]


def test_a_file_that_changes_while_it_is_fetched_is_begun_again(site):
    class Meddler(Recorder):
        def say(self, line):
            site.put("numbers", NUMBERS)

    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS[::-1], breaks=[100_000]))
    fetch(file, Meddler())
    assert site.asked == [("numbers", begin) for begin in (0, 100_000, 0)]
    assert read_file(file, None) == NUMBERS


def test_wrong_content_is_fetched_once_more_if_it_was_put_together_and_not_again(site, watcher):
    url = site.put("numbers", NUMBERS[::-1], breaks=[100_000])
    with pytest.raises(Unavailable, match="has the wrong content"):
        fetch(a_data_file(NUMBERS, url), watcher)
    assert site.asked == [("numbers", begin) for begin in (0, 100_000, 0)]


def test_a_file_has_its_name_only_once_it_is_on_the_disk(site, watcher, monkeypatch):
    names = []
    monkeypatch.setattr(data.os, "fsync", lambda descriptor: names.append(cached()))
    fetch(a_data_file(NUMBERS, site.put("numbers", NUMBERS)), watcher)
    ((part,),) = names
    assert part.endswith(".part")


@pytest.mark.parametrize("squeeze", [bytes, squeezed], ids=["as it is", "compressed"])
def test_a_beginning_that_is_longer_than_the_file_is_thrown_away(squeeze, site, watcher):
    content = squeeze(NUMBERS)
    longer = squeeze(bytes(NUMBERS[::-1]) * 2)
    url = site.put("numbers", longer, length=False, breaks=[len(content) + 3, 0, 0, 0])
    file = a_data_file(NUMBERS, url)
    with pytest.raises(Unavailable):
        fetch(file, watcher)
    site.put("numbers", content)
    fetch(file, watcher)
    assert read_file(file, None) == NUMBERS


@pytest.mark.parametrize(
    ("page", "why"),
    [
        pytest.param({"status": 404}, "answers 404 Not Found", id="not found"),
        pytest.param({"status": 503}, "answers 503 Service Unavailable", id="too busy"),
        pytest.param({"status": 204}, "answers 204 No Content where it was asked for a file", id="nothing"),
        pytest.param({"content": HTML, "kind": "text/html"}, "gave what is an HTML page; it is now ", id="a page"),
        pytest.param({"content": b"{}"}, "gave what is truncated: it has 2 of 300,000 bytes; it is now", id="little"),
        pytest.param({"content": NUMBERS[::-1]}, "gave what has the wrong content: its SHA-256", id="wrong content"),
        pytest.param({"content": squeezed(b"x")}, "gave what has the wrong content: 1 bytes", id="wrong gzip content"),
        pytest.param({"content": NUMBERS * 2}, "has 600,000 bytes, more than the 365,836 that", id="too long"),
        pytest.param({"endless": True, "length": False}, "sent more than the 365,836 bytes", id="endless"),
    ],
)
def test_an_address_that_does_not_give_the_file_is_named_and_the_next_one_asked(page, why, site, watcher):
    bad, good = site.put("bad", **page), site.put("good", NUMBERS)
    file = a_data_file(NUMBERS, bad, good)
    fetch(file, watcher)
    assert read_file(file, None) == NUMBERS
    assert watcher.begun == [bad, good]
    assert watcher.said[-1].startswith(f"{bad} {why}")
    kept = why.startswith("gave")
    assert cached() == (["numbers", "numbers.bad"] if kept else ["numbers"])
    if kept:
        assert (cache_folder() / "some" / "numbers.bad").read_bytes() == page["content"]

    (cache_folder() / "some" / "numbers").unlink()
    with pytest.raises(Unavailable) as caught:
        fetch(a_data_file(NUMBERS, bad), watcher)
    assert str(caught.value).startswith(f"numbers cannot be fetched: {site.url.removeprefix('http://')} {why}")
    assert cached() == (["numbers.bad"] if kept else [])


def test_a_page_in_between_does_not_cost_what_has_come(site, watcher):
    url = site.put("numbers", NUMBERS, breaks=[100_000, 0, 0])
    file = a_data_file(NUMBERS, url)
    with pytest.raises(Unavailable):
        fetch(file, watcher)
    site.put("numbers", HTML, kind="text/html; charset=utf-8", ranges=False)
    with pytest.raises(Unavailable, match="answers with an HTML page"):
        fetch(file, watcher)
    site.put("numbers", NUMBERS)
    site.asked.clear()
    fetch(file, watcher)
    assert site.asked == [("numbers", 100_000)]


def test_another_part_than_was_asked_for_is_refused(site, watcher):
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS, breaks=[100_000], shift=5))
    with pytest.raises(Unavailable, match="answers 206 Partial Content where it was asked for a file"):
        fetch(file, watcher)


def test_what_a_server_says_drives_no_terminal(site, watcher):
    url = site.put("numbers", status=404, reason="\x1b[31mred")
    with pytest.raises(Unavailable, match="answers 404 \N{REPLACEMENT CHARACTER}\\[31mred"):
        fetch(a_data_file(NUMBERS, url), watcher)


def test_a_server_that_falls_silent_is_not_waited_for(site, watcher, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    silent = site.put("silent", NUMBERS, breaks=[1000, 0, 0], held=threading.Event())
    file = a_data_file(NUMBERS, silent, site.put("other", NUMBERS))
    fetch(file, watcher)
    assert watcher.said[0] == f"{silent} broke off after 1,000 bytes (TimeoutError: timed out): trying again"
    assert site.asked[-1] == ("other", 0)


# --- a cache that cannot be written


def test_a_full_disk_is_one_line_and_ends_the_fetching(site, watcher):
    urls = [site.put(name, NUMBERS) for name in ("one", "two")]
    file = a_data_file(NUMBERS, *urls)
    (cache_folder() / "some").mkdir(parents=True)
    part = data._part(cache_folder() / "some", file, urls[0])
    part.symlink_to("/dev/full")
    with pytest.raises(DataError) as caught:
        fetch(file, watcher)
    assert not isinstance(caught.value, Unavailable)
    assert str(caught.value) == (
        f"cannot write {part}: No space left on device; make room and try again, which goes on with what is there, or "
        "set LSTM_BENCH_CACHE to another folder"
    )
    assert watcher.begun == urls[:1]


def test_what_fits_on_a_full_disk_stays_and_is_gone_on_with(site, watcher, monkeypatch, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can have a disk this small")
    try:
        monkeypatch.setenv("LSTM_BENCH_CACHE", str(disk))
        file = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
        with pytest.raises(DataError, match="No space left on device"):
            fetch(file, watcher)
        (part,) = (disk / "some").glob("*.part")
        there = part.read_bytes()
        assert 0 < len(there) < len(NUMBERS)
        assert NUMBERS.startswith(there)
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        fetch(file, watcher)
        assert site.asked == [("numbers", 0), ("numbers", len(there))]
        assert read_file(file, None) == NUMBERS
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_cache_that_cannot_be_made_is_one_line(watcher, site, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSTM_BENCH_CACHE", str(tmp_path / "file"))
    file = a_data_file(NUMBERS, site.put("numbers", NUMBERS))
    with pytest.raises(DataError) as caught:
        fetch(file, watcher)
    assert str(caught.value) == (
        f"cannot write {tmp_path}/file/some: Not a directory; set LSTM_BENCH_CACHE to another folder"
    )
    assert site.asked == []
