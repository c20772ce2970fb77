import numpy as np
import pytest

from synthcredit.datasets.schema import Column, Dtype, Kind
from synthcredit.evidence.aggregates import Axis, Pair
from synthcredit.evidence.plots_pairs import pair

NUMBER = Column(name="$x_{1}$ <b>", storage_name="x", kind=Kind.CONTINUOUS, dtype=Dtype.DOUBLE)
GROUP = Column(name="<script>", storage_name="g", kind=Kind.CATEGORICAL, dtype=Dtype.STRING, categories=("a",))
STEPS = Axis(NUMBER, (), np.array([-5.0, 0.0, 1e3, 1e6, 2e9, 3e9]))
VALUES = Axis(GROUP, ("<script>alert(1)</script>", "$\\frac{", "x" * 80), None)
SHORT = Axis(GROUP, ("u", "v"), None)


def shown(x: Axis, y: Axis) -> Pair:
    shares = np.random.default_rng(0).dirichlet(np.ones(x.size), y.size)
    shares[0, 0] = np.nan
    return Pair(x, y, shares, np.flip(shares, axis=0), y.edges is None)


@pytest.mark.parametrize(("x", "y"), [(STEPS, STEPS), (STEPS, VALUES), (VALUES, SHORT), (SHORT, VALUES)])
def test_every_kind_of_pair_has_three_panels_and_a_file(x: Axis, y: Axis):
    drawn = pair(shown(x, y))
    assert [title in panel for title, panel in zip((b"Real", b"Synthetic", b"minus real"), drawn.panels, strict=True)]
    assert all(len(panel) < 60_000 and b"<script" not in panel for panel in drawn.panels)
    assert drawn.png.startswith(b"\x89PNG")
    assert drawn == pair(shown(x, y))


def test_shares_are_printed_where_there_is_room():
    values = np.array([[0.25, 0.75], [0.5, 0.5]])
    drawn = pair(Pair(SHORT, SHORT, values, values[::-1], by_group=True))
    assert b">25<" in drawn.panels[0]
    assert b"+25" in drawn.panels[2]
    assert "\N{MINUS SIGN}25".encode() in drawn.panels[2]


def test_what_is_equal_everywhere_is_drawn_too():
    values = np.zeros((2, 2))
    assert pair(Pair(SHORT, SHORT, values, values, by_group=True)).panels[2].count(b">0<") == 4
