"""Orders of numbered columns."""

from synthcredit.synthesizers.trees_series import series_orders


def told(names, first=None):
    orders = series_orders(tuple(range(len(names))) if first is None else first, names)
    return [[names[column] for column in order] for order in orders]


def test_months_go_up_and_down_and_others_follow():
    assert told(["age", "bill_2", "bill_1", "bill_3", "sex"]) == [
        ["bill_1", "bill_2", "bill_3", "age", "sex"],
        ["bill_3", "bill_2", "bill_1", "age", "sex"],
    ]


def test_series_interleave_in_every_order_within_a_month():
    names = ["bill1", "bill2", "bill3", "paid1", "paid2", "paid4"]
    found = told(names)
    assert len(found) == 4
    assert ["bill1", "paid1", "bill2", "paid2", "bill3", "paid4"] in found
    assert ["paid4", "bill3", "paid2", "bill2", "paid1", "bill1"] in found
    assert all(sorted(order) == sorted(names) for order in found)


def test_many_series_keep_the_order_given_and_its_reverse():
    names = [f"{stem}{month}" for stem in "abcd" for month in (1, 2, 3)]
    found = told(names)
    assert [order[:4] for order in found[::2]] == [["a1", "b1", "c1", "d1"], ["d1", "c1", "b1", "a1"]]


def test_two_numbers_are_no_series_and_leading_zeros_no_other_month():
    assert told(["bill_1", "bill_2", "age"]) == []
    assert told(["x01", "x1", "x2", "x3"])[0] == ["x01", "x2", "x3", "x1"]


def test_numbers_inside_names_count():
    assert told(["open_6m", "open_24m", "open_12m"])[0] == ["open_6m", "open_12m", "open_24m"]
