"""Numbers as people read them."""

import math

import pytest

from lstm_bench.reports.numbers import compact, digits, mebibytes, percent, seconds, significant, with_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.000"),
        (0.93123, "0.9312"),
        (0.00012345, "0.0001234"),
        (1, "1.000"),
        (50.714, "50.71"),
        (999.94, "999.9"),
        (1000, "1,000"),
        (2150.4, "2,150"),
        (1234567.8, "1,235,000"),
        (-5, "-5.000"),
        (-2150.4, "-2,150"),
        (math.inf, "inf"),
    ],
)
def test_numbers_have_four_digits_and_no_exponent(value, text):
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "relative", "text"),
    [
        (8055, 97 / 8055, "8,060"),
        (8055, 0.12, "8,100"),
        (8055, 0.9, "8,100"),
        (8055, 9.0, "8,100"),
        (8055, 1e-9, "8,055"),
        (8055, 0.0, "8,055"),
        (8055, None, "8,060"),
        (123456, 0.0001, "123,500"),
        (9999, 0.01, "10,000"),
        (0.5678, 0.02, "0.57"),
        (12.345, 0.0002, "12.35"),
        (12.345, 0.12, "12"),
        (0.05, None, "0.0500"),
    ],
)
def test_a_number_is_shown_down_to_the_first_digit_of_half_its_interval(value, relative, text):
    assert significant(value, digits(value, relative)) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (2.5, "2.5"), (0.1234, "0.123"), (51_234.0, "51,200"), (0.0, "0"), (100.0, "100")]
)
def test_a_number_in_passing_has_three_digits_and_no_zeros_at_its_end(value, text):
    assert compact(value) == text


@pytest.mark.parametrize(
    ("relative", "text"), [(None, "8"), (0.012, "8 ±1.2%"), (0.02, "8 ±2.0%"), (0.123, "8 ±12%"), (4.0, "8 ±400%")]
)
def test_half_an_interval_stands_beside_a_number_with_two_digits(relative, text):
    assert with_interval("8", relative) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0123, "1.2%"), (0.05, "5%"), (0.12345, "12%"), (0.000444, "0.044%"), (0.0, "0%")]
)
def test_a_share_has_two_digits(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 ns"),
        (2.5e-9, "2.5 ns"),
        (1e-6, "1 µs"),
        (0.00012345, "123 µs"),
        (0.25, "250 ms"),
        (0.99, "990 ms"),
        (1, "1 s"),
        (12.345, "12.3 s"),
        (900, "900 s"),
        (1234, "1,230 s"),
    ],
)
def test_seconds_come_in_the_unit_that_suits_them(value, text):
    assert seconds(value) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("value", "count", "text"),
    [
        (0.25, 2, "250 ms"),
        (0.2561, 2, "260 ms"),
        (0.2561, 4, "256.1 ms"),
        (0.0123, 4, "12.30 ms"),
        (0.9999, 3, "1.00 s"),
    ],
)
def test_seconds_of_which_it_is_known_how_many_digits_hold_have_as_many(value, count, text):
    assert seconds(value, count) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 MiB"), (2**20, "1 MiB"), (3 * 2**19 + 1, "2 MiB"), (2**33, "8192 MiB"), (-(2**21), "-2 MiB")],
)
def test_bytes_are_shown_as_mebibytes(value, text):
    assert mebibytes(value) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize("value", [999.96, -999.96])
def test_a_number_that_rounds_up_to_a_thousand_is_written_like_a_thousand(value):
    assert significant(value) == significant(round(value))


@pytest.mark.parametrize("value", [0.9996, 0.0009999, 9.999e-7, 1234.5])
def test_seconds_have_no_exponent(value):
    assert "e+" not in seconds(value)
