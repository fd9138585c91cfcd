from __future__ import annotations

import pytest

from data_files import NUMBERS, put
from lstm_bench import DataError, read_file
from lstm_bench.catalog.data import cache_folder, folders, look
from sites import a_data_file, squeezed

pytestmark = pytest.mark.one_interpreter

pytestmark = pytest.mark.usefixtures("surroundings")


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


@pytest.mark.parametrize("name", ["numbers", "numbers.gz"])
def test_a_folder_by_the_files_name_is_not_taken_for_it(name, tmp_path):
    (tmp_path / "some" / name).mkdir(parents=True)
    assert look(a_data_file(NUMBERS), tmp_path).state == "missing"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "numbers").symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=r"cannot read .*numbers: Input/output error"):
        look(a_data_file(NUMBERS), tmp_path)
