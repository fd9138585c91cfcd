from __future__ import annotations

import socket

import pytest

from builders import a_task_info
from data_files import NUMBERS, cached, put
from lstm_bench import DataError, read_file
from lstm_bench.catalog.data import cache_folder
from lstm_bench.catalog.fetching import require_files
from sites import a_data_file, squeezed

pytestmark = pytest.mark.one_interpreter

pytestmark = pytest.mark.usefixtures("surroundings")


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
    with socket.socket() as taken:  # bound, but not listening: connections are refused
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
    assert watcher.begun == urls  # without a network, the other files are not tried


def test_what_was_fetched_before_another_could_not_be_is_not_said_to_be_missing(site, watcher):
    files = [a_data_file(NUMBERS, f"{site.url}/{name}", name=name) for name in ("one", "two", "three")]
    site.put("one", NUMBERS)
    with pytest.raises(DataError, match=r"two cannot be fetched: .*\. Put two, three into "):
        require_files([a_task_info("sum", files=files)], None, watcher)


def test_a_file_without_an_address_is_for_the_user_to_bring(watcher):
    with pytest.raises(DataError, match="numbers cannot be fetched: no address is known for it"):
        require_files([a_task_info("sum", files=(a_data_file(NUMBERS),))], None, watcher)
