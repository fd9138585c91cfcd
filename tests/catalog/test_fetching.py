from __future__ import annotations

import subprocess
import threading

import pytest

from data_files import HTML, NUMBERS, Recorder, cached, put
from lstm_bench import DataError, read_file
from lstm_bench.catalog import download, fetching
from lstm_bench.catalog.data import cache_folder
from lstm_bench.catalog.fetching import Unavailable, bring, fetch
from sites import a_data_file, squeezed

pytestmark = pytest.mark.one_interpreter

pytestmark = pytest.mark.usefixtures("surroundings")


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
    assert site.asked == [("numbers", 0), *[("numbers", 1000)] * fetching.FRUITLESS_TRIES, ("other", 0)]
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
    assert len(site.asked) == fetching.TRIES
    (part,) = (cache_folder() / "some").glob("numbers.*.part")
    assert part.read_bytes() == NUMBERS[:100_000]
    fetch(file, watcher)
    assert site.asked[fetching.TRIES] == ("numbers", 100_000)
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
    assert watcher.counts[-1] == (0, len(content))  # from the first two tries
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
    monkeypatch.setattr(fetching.os, "fsync", lambda descriptor: names.append(cached()))
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
    with pytest.raises(Unavailable, match="answers 404 red"):
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
    part = fetching.part_of(cache_folder() / "some", file, urls[0])
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
