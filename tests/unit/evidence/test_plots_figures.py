import numpy as np
import pytest

from synthcredit.evidence import plots_figures as plots

GRADES = [(str(i + 1), 100.0, 0.3 - i / 40, 0.3 - i / 50, 0.2 - i / 60, 0.4 - i / 50, 0.5) for i in range(8)]
UNTOLD = ("9", None, None, None, None, None, None)
WOE = [("below 5 & <b>", 0.4, 0.2, 0.1, 0.3), ("$5$ to 9", 0.3, None, -0.4, 0.1), ("missing", 0.3, 0.1, 0.0)]
BINS = [(i / 10, (i + 1) / 10, 0.1, 0.1) for i in range(10)]
BANDS = [(None, 0.5, 0.2, 0.1), (0.5, 1.0, 0.3, 0.4), (1.0, None, 0.5, 0.5)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.woe("<script>", WOE),
        lambda: plots.default_rates({"real": GRADES, "synthetic": [*GRADES, UNTOLD]}),
        lambda: plots.calibration({"real": GRADES, "synthetic": [*GRADES, UNTOLD]}),
        lambda: plots.calibration({"real": [UNTOLD]}),
        lambda: plots.approval([(0.5 + i / 20, 0.1, 0.12, 0.2) for i in range(9)]),
        lambda: plots.nearest(BINS),
        lambda: plots.bands(BANDS),
    ],
)
def test_figures_are_drawn_twice_the_same_and_small(draw):
    one = draw()
    assert one == draw()
    assert b"<svg" in one.svg
    assert b"<script" not in one.svg
    assert len(one.svg) < 80_000
    assert one.png.startswith(b"\x89PNG")


def test_bins_stand_by_their_names_as_text():
    assert b"below 5 &amp; &lt;b&gt;" in plots.woe("x", WOE).svg
    assert b"$5$ to 9" in plots.woe("x", WOE).svg


def test_intervals_enclose_the_rate():
    table = plots._table(GRADES)
    assert table.shape == (8, 4)
    assert (table[:, 2] < table[:, 1]).all()
    assert np.isnan(plots._table([UNTOLD])).all()
