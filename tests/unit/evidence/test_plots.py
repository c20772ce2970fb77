import numpy as np
import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.evidence.aggregates import Bars, Histogram
from synthcredit.evidence.plots import axis_label, distribution, remarks, shorten
from synthcredit.evidence.plots_pairs import association_maps

NUMBER = Column(name="$x_{1}$ <b>", storage_name="x", kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE)
DATE = Column(name="d", storage_name="d", kind=Kind.DATETIME, dtype=Dtype.DATE)
TIME = Column(name="t", storage_name="t", kind=Kind.DATETIME, dtype=Dtype.TIME)
HOSTILE = ("<script>alert(1)</script>", "$\\frac{", "日本", "a\nb\x07", "", "x" * 200)


def bars(labels: tuple[str, ...]) -> Bars:
    shares = np.full(len(labels), 1 / len(labels))
    return Bars(labels, shares, shares, merged=0)


def histogram() -> Histogram:
    edges = np.arange(6.0)
    return Histogram(edges, np.full(5, 0.2), np.full(5, 0.2), 1.0, beyond=(None, 0.1), missing=(0.0, 0.0))


def test_hostile_categories_are_drawn_as_text():
    drawing = distribution(NUMBER, bars(HOSTILE))
    assert b"<script" not in drawing.svg
    assert b"&lt;script&gt;" in drawing.svg
    assert b"$\\frac{" in drawing.svg
    assert drawing.png.startswith(b"\x89PNG")


def test_a_histogram_is_drawn_twice_the_same():
    one, two = distribution(NUMBER, histogram()), distribution(NUMBER, histogram())
    assert one == two
    assert b"<svg" in one.svg
    assert len(one.svg) < 60_000


def test_dates_and_times_are_drawn():
    for column in (DATE, TIME):
        assert distribution(column, histogram()).png.startswith(b"\x89PNG")


def test_association_maps_name_the_columns():
    names = ["a", "<b>", "c" * 80]
    drawing = association_maps(names, np.eye(3), np.ones((3, 3)))
    assert b"&lt;b&gt;" in drawing.svg
    assert b"c" * 80 not in drawing.svg
    assert b"Synthetic minus real" in drawing.svg


@pytest.mark.parametrize(
    ("value", "column", "label"),
    [
        (0, NUMBER, "0"),
        (0.25, NUMBER, "0.25"),
        (1500, NUMBER, "1,500"),
        (20_000, NUMBER, "20k"),
        (-3.5e6, NUMBER, "-3.5M"),
        (2e9, NUMBER, "2G"),
        (86_400, DATE, "1970-01-02"),
        (1e20, DATE, ""),
        (9 * 3600 + 1800, TIME, "09:30"),
    ],
)
def test_axis_labels_are_for_people(value: float, column: Column, label: str):
    assert axis_label(value, column) == label


def test_shorten_keeps_one_line():
    assert shorten("a\nb\x00c") == "a b c"
    assert shorten("   ") == "(blank)"
    assert len(shorten("x" * 100)) == 30


def test_remarks_say_what_is_not_drawn():
    assert remarks(histogram()) == ("Fewer than 10 real rows and 10.0 % of synthetic rows lie beyond the axis.",)
    assert remarks(bars(("a",))) == ()
