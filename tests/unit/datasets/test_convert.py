import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcredit.datasets import datetext, numbertext
from synthcredit.datasets.convert import convert
from synthcredit.datasets.schema import Dtype

NUMBERS = st.decimals(min_value=-(10**9), max_value=10**9, places=2)


@pytest.mark.parametrize("number_format", numbertext.FORMATS)
@given(values=st.lists(NUMBERS, min_size=1))
def test_numbers_come_back_from_every_format(number_format, values):
    floats = pa.array([float(value) for value in values])
    text = numbertext.write_numbers(floats, number_format, 2)
    if number_format != "1234.56":
        assert pc.all(numbertext.written_as(text, number_format)).as_py()
    assert numbertext.parse_floats(text, number_format).equals(floats)


@given(values=st.lists(st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1), min_size=1))
def test_integers_keep_all_their_digits(values):
    text = pa.array([str(value) for value in values])
    assert convert(text, Dtype.INT64, None).values.to_pylist() == values


@pytest.mark.parametrize(
    ("text", "number_format", "value"),
    [
        ("1,5", "1234,56", 1.5),
        ("-1.234.567,25", "1.234,56", -1234567.25),
        ("1\u00a0234,5", "1 234,56", 1234.5),
        ("1'234.5", "1'234.56", 1234.5),
        ("$1,234.50", "1,234.56", 1234.5),
        ("-$5", "1234.56", -5),
        ("(5.50)", "1234.56", -5.5),
        ("\u22125", "1234.56", -5),
        ("12 %", "1234.56", 12),
        ("1e3", None, 1000),
        (".5", None, 0.5),
        ("5.", None, 5),
        ("0x1F", None, None),
        ("1,5", None, None),
        ("12,34", "1,234.56", None),
        ("5%6", "1234.56", None),
        ("1_000", None, None),
    ],
)
def test_single_numbers(text, number_format, value):
    converted = convert(pa.array([f" {text} "]), Dtype.DOUBLE, number_format)
    assert converted.values[0].as_py() == value
    assert converted.bad[0] == (value is None)


def test_integers_beyond_64_bits_are_bad():
    assert convert(pa.array([str(2**63), "9" * 30]), Dtype.INT64, None).bad.all()


def test_missing_bad_and_infinite_are_told_apart():
    text = pa.array(["1", "", "NA", "?", None, "word", "Inf", "-infinity", "1e999", "2.5"])
    converted = convert(text, Dtype.DOUBLE, None)
    assert converted.values.to_pylist() == [1, *[None] * 8, 2.5]
    assert converted.bad.tolist() == [False] * 5 + [True] + [False] * 4
    assert converted.infinite.tolist() == [False] * 6 + [True] * 3 + [False]
    assert convert(text, Dtype.INT64, None).bad.tolist() == [False] * 5 + [True, False, False, True, True]


def test_words_are_missing_only_where_they_always_mean_it():
    converted = convert(pa.array(["none", "-", "unknown", "NaN", " N/A "]), Dtype.STRING, None)
    assert converted.values.to_pylist() == ["none", "-", "unknown", None, None]
    assert not converted.bad.any()


def test_types_that_do_not_become_another_are_bad():
    assert convert(pa.array([True, None]), Dtype.DATE, None).bad.tolist() == [True, False]
    assert convert(pa.array([1.5, 2.0]), Dtype.INT64, None).bad.tolist() == [True, False]
    assert convert(pa.array([1.5, 2.0]), Dtype.STRING, None).values.to_pylist() == ["1.5", "2"]
    assert convert(pa.array(["true", "0", "x"]), Dtype.BOOL, None).values.to_pylist() == [True, False, None]


EPOCH = datetime.datetime.fromisoformat("1970-01-01")
MOMENTS = st.datetimes(min_value=EPOCH, max_value=datetime.datetime.fromisoformat("2068-12-31"))


@given(moment=MOMENTS, date_format=st.sampled_from([f for f in datetext.FORMATS if "%z" not in f]))
def test_dates_come_back_from_every_format(moment, date_format):
    text = moment.strftime(date_format)
    expected = datetime.datetime.strptime(text, date_format)  # noqa: DTZ007 - no zone is meant
    micros = datetext.parse_datetime(pa.array([text]), date_format)[0].as_py()
    origin = EPOCH if any(f"%{d}" in date_format for d in datetext.DATE_PARTS) else None
    origin = origin or expected.replace(hour=0, minute=0, second=0, microsecond=0)
    assert datetime.timedelta(microseconds=micros) == expected - origin


@pytest.mark.parametrize(
    ("text", "date_format"),
    [
        ("2023-02-29", "%Y-%m-%d"),
        ("2023-13-01", "%Y-%m-%d"),
        ("2023-00-01", "%Y-%m-%d"),
        ("2023-01-00", "%Y-%m-%d"),
        ("25:00", "%H:%M"),
        ("10:60", "%H:%M"),
        ("13:00 PM", "%I:%M %p"),
        ("01-Foo-2020", "%d-%b-%Y"),
        ("2023-1", "%Y-%m-%d"),
    ],
)
def test_dates_that_are_none(text, date_format):
    assert datetext.parse_datetime(pa.array([text, None]), date_format).to_pylist() == [None, None]


def test_zones_and_fractions():
    text = pa.array(["1970-01-01T02:00:00.5+01:30", "1970-01-01T00:30:00Z", "1970-01-01T00:00:00-0100"])
    assert datetext.parse_datetime(text, "%Y-%m-%dT%H:%M:%S.%f%z").to_pylist() == [
        1_800_500_000,
        1_800_000_000,
        3_600_000_000,
    ]


def test_dates_before_the_epoch_keep_their_day():
    assert convert(pa.array(["1969-12-31"]), Dtype.DATE, None).values[0].as_py() == datetime.date(1969, 12, 31)


@pytest.mark.parametrize("date_format", ["%Q", "%Y-%Y", "%d.%m", "%"])
def test_formats_that_cannot_be_used(date_format):
    with pytest.raises(ValueError, match=r"not known|needs a year"):
        datetext.compile_format(date_format)


def test_no_values_have_no_candidates():
    assert datetext.candidates([], compact=True) == ()
