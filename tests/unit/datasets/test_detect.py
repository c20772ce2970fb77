import datetime
import string

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.schema import Dtype, Kind
from synthcredit.errors import InvalidInputError

ROWS = 60


@pytest.fixture
def detect(tmp_path):
    """Detect a table given as columns of strings beside a plain column."""

    def run(*, delimiter=",", target=None, encoding="utf-8", **columns):
        names = [*columns, "filler"]
        length = max(len(values) for values in columns.values())
        rows = [[*row, "ab"[i % 2]] for i, row in enumerate(zip(*columns.values(), strict=True))]
        assert len(rows) == length
        text = "\n".join(delimiter.join(f'"{v}"' if delimiter in v else v for v in row) for row in [names, *rows])
        path = tmp_path / "made.csv"
        path.write_bytes((text + "\n").encode(encoding))
        return detect_schema(path, target=target)

    return run


def spread(rows=ROWS):
    """Numbers that are no sequence."""
    return [(i * 37) % 101 + (i % 7) * 100 for i in range(rows)]


def problems_of(error):
    return {problem.field: problem.problem for problem in error.value.problems}


def test_numbers_with_thousands_separators_are_numbers_with_a_notice(detect):
    found = detect(income=[f"{1000 + 137 * i:,}.50" for i in range(ROWS)])
    column = found.schema["income"]
    assert (column.kind, column.dtype, column.decimals, column.format) == (
        Kind.CONTINUOUS,
        Dtype.DOUBLE,
        1,
        "1,234.56",
    )
    assert (column.minimum, column.maximum) == (1000.5, 1000.5 + 137 * 59)
    assert any("column 'income'" in notice for notice in found.notices)


def test_decimal_comma_in_semicolon_files(detect):
    found = detect(delimiter=";", a=[f"{i},{i % 10}5" for i in range(ROWS)], b=[f"{i + 1}.000" for i in range(ROWS)])
    assert found.schema["a"].format == "1234,56"
    assert found.schema["a"].decimals == 2
    # Where another column has a decimal comma, a point before three digits separates thousands.
    assert found.schema["b"].format == "1.234,56"
    assert (found.schema["b"].kind, found.schema["b"].maximum) == (Kind.INTEGER, 60_000)


def test_decimal_point_in_semicolon_files(detect):
    found = detect(delimiter=";", a=[f"{i}.{i % 10}25" for i in range(ROWS)])
    assert found.schema["a"].format is None
    assert found.schema["a"].maximum == pytest.approx(59.925)


def test_points_and_commas_together(detect):
    found = detect(delimiter=";", a=[f"{1 + i}.234,{10 + i}" for i in range(ROWS)])
    assert found.schema["a"].format == "1.234,56"
    assert found.schema["a"].minimum == 1234.10


@pytest.mark.parametrize("written", ["${}.50", "{}.50 €", "EUR {}.50", "{}.50%", "({}.50)"])
def test_currency_percent_and_brackets(detect, written):
    found = detect(a=[written.format(n) for n in spread()])
    assert found.schema["a"].kind is Kind.CONTINUOUS
    assert found.schema["a"].format == "1234.56"
    assert (found.schema["a"].maximum < 0) == written.startswith("(")


def test_whole_floats_of_text_files_are_integers(detect):
    column = detect(a=[f"{n}.0" for n in spread()]).schema["a"]
    assert (column.kind, column.dtype) == (Kind.INTEGER, Dtype.INT64)


def test_booleans_keep_their_values(detect):
    pairs = {"a": ("no", "yes"), "b": ("0", "1"), "c": ("False", "True"), "d": ("N", "J")}
    schema = detect(**{name: [pair[i % 3 == 0] for i in range(ROWS)] for name, pair in pairs.items()}).schema
    assert all(schema[name].kind is Kind.BOOLEAN for name in pairs)
    assert schema["b"].categories == (0, 1)
    assert schema["b"].dtype is Dtype.INT64
    assert schema["c"].categories == ("False", "True")
    assert schema["d"].categories == ("N", "J")


def test_missing_values_in_numbers_and_words(detect):
    markers = ["", "NA", "N/A", "NaN", "null", "None", "?", "-"]
    numbers = [markers[i] if i < len(markers) else str(n) for i, n in enumerate(spread())]
    words = [markers[i] if i < len(markers) else "xyz"[i % 3] for i in range(ROWS)]
    found = detect(number=numbers, word=words)
    assert (found.schema["number"].kind, found.schema["number"].nullable) == (Kind.INTEGER, True)
    assert found.schema["word"].nullable
    assert set(found.schema["word"].categories) == {"None", "?", "-", "x", "y", "z"}
    assert "column 'number': 3 marker(s) such as '?' are read as missing." in found.notices


def test_a_column_of_markers_only_is_words(detect):
    assert detect(sign=["-", "?"] * 30).schema["sign"].categories == ("-", "?")


def test_codes_with_leading_zeros_stay_text(detect):
    schema = detect(branch=[f"{i % 9:03d}" for i in range(ROWS)], file=[f"{i:05d}" for i in range(ROWS)]).schema
    assert (schema["branch"].kind, schema["branch"].dtype) == (Kind.CATEGORICAL, Dtype.STRING)
    assert (schema["file"].kind, schema["file"].format) == (Kind.IDENTIFIER, "{:05d}")


def test_special_codes(detect):
    base = spread(300)
    age = [999 if i % 20 == 0 else 18 + n % 60 for i, n in enumerate(base)]
    days = [-1 if i % 3 else n for i, n in enumerate(base)]
    score = [-99 if i % 30 == 0 else n - 5 for i, n in enumerate(base)]
    amount = [n * 40 for n in base[:-3]] + [999, 999, 999]
    balance = [0 if i % 5 == 0 else n * 13 - 4000 for i, n in enumerate(base)]
    columns = {"age": age, "days": days, "score": score, "amount": amount, "balance": balance}
    schema = detect(**{name: [str(v) for v in values] for name, values in columns.items()}).schema
    assert schema["age"].special_values == (999,)
    assert schema["days"].special_values == (-1,)
    assert schema["score"].special_values == (-99,)
    assert 999 not in schema["amount"].special_values
    assert schema["balance"].special_values == (0,)


@pytest.mark.parametrize(
    ("date_format", "dtype"),
    [
        ("%Y-%m-%d", Dtype.DATE),
        ("%Y/%m/%d", Dtype.DATE),
        ("%d/%m/%Y", Dtype.DATE),
        ("%m/%d/%Y", Dtype.DATE),
        ("%d.%m.%Y", Dtype.DATE),
        ("%d.%m.%y", Dtype.DATE),
        ("%d-%b-%Y", Dtype.DATE),
        ("%d %B %Y", Dtype.DATE),
        ("%Y-%m-%d %H:%M:%S", Dtype.TIMESTAMP),
        ("%Y-%m-%dT%H:%M:%S", Dtype.TIMESTAMP),
        ("%Y-%m-%dT%H:%M:%S.%f", Dtype.TIMESTAMP),
        ("%d/%m/%Y %H:%M", Dtype.TIMESTAMP),
        ("%m/%d/%Y %I:%M %p", Dtype.TIMESTAMP),
        ("%H:%M:%S", Dtype.TIME),
        ("%H:%M", Dtype.TIME),
    ],
)
def test_dates_in_the_usual_formats(detect, date_format, dtype):
    start = datetime.datetime.fromisoformat("2019-03-01T01:02:03.450")
    moments = [start + datetime.timedelta(days=i, minutes=17 * i) for i in range(ROWS)]
    column = detect(when=[moment.strftime(date_format) for moment in moments]).schema["when"]
    assert (column.kind, column.dtype, column.format) == (Kind.DATETIME, dtype, date_format)
    if dtype is Dtype.DATE:
        assert column.minimum == datetime.datetime(2019, 3, 1, tzinfo=datetime.UTC).timestamp()


def test_ambiguous_dates_get_a_notice(detect):
    found = detect(when=[f"{1 + i % 12:02d}/{1 + i % 11:02d}/2020" for i in range(ROWS)])
    assert found.schema["when"].format == "%d/%m/%Y"
    assert any("%m/%d/%Y" in notice for notice in found.notices)


def test_zones_are_turned_into_utc(detect, tmp_path):
    found = detect(when=[f"2020-01-{1 + i % 28:02d}T00:30:00+01:00" for i in range(ROWS)])
    assert found.schema["when"].format == "%Y-%m-%dT%H:%M:%S%z"
    first = read_table(tmp_path / "made.csv", found.schema)["when"][0].as_py()
    assert first == datetime.datetime.fromisoformat("2019-12-31T23:30")


def test_eight_digits_are_dates_only_where_the_name_says_so(detect):
    values = [f"2020{1 + i % 12:02d}{1 + i % 28:02d}" for i in range(ROWS)]
    schema = detect(booking_date=values, number=values).schema
    assert (schema["booking_date"].kind, schema["booking_date"].format) == (Kind.DATETIME, "%Y%m%d")
    assert schema["number"].kind is Kind.INTEGER


def test_dates_that_never_come_are_special(detect):
    values = ["9999-12-31" if i % 6 == 0 else f"2021-05-{1 + i % 28:02d}" for i in range(ROWS)]
    assert detect(closed=values).schema["closed"].special_values == (253402214400.0,)


def test_identifiers_keep_their_pattern(detect):
    hashes = [f"{(i * 2654435761) % 2**64 + 2**63:016x}" for i in range(ROWS)]
    uuids = [f"{i:08x}-0000-4000-8000-{i:012x}" for i in range(ROWS)]
    schema = detect(
        ref=[f"CUST-{i:06d}" for i in range(ROWS)],
        loan_no=[f"L{i}/X" for i in range(ROWS)],
        digest=hashes,
        token=uuids,
        row=[str(i + 1) for i in range(ROWS)],
        big=[str(7_000_000_000 + (i * 7919) % 100_003) for i in range(ROWS)],
        merchant_id=[f"odd{'abc'[i % 3]}{i}" for i in range(ROWS)],
    ).schema
    formats = {column.name: column.format for column in schema.columns if column.kind is Kind.IDENTIFIER}
    assert formats == {
        "ref": "CUST-{:06d}",
        "loan_no": "L{:d}/X",
        "digest": "{:016x}",
        "token": "{uuid}",
        "row": "{:d}",
        "big": "{:d}",
        "merchant_id": "X{:06d}",
    }
    assert schema["big"].minimum == 1_000_000_000
    assert schema.primary_key == "ref"


def test_numbers_too_long_for_64_bits_are_text(detect):
    schema = detect(account_id=[f"{10**21 + i * 7}" for i in range(ROWS)]).schema
    assert (schema["account_id"].kind, schema["account_id"].dtype) == (Kind.IDENTIFIER, Dtype.STRING)


def test_the_customer_column(detect):
    schema = detect(
        account_id=[str(500 + i // 2) for i in range(ROWS)],
        client_no=[f"C{i // 2:04d}" for i in range(ROWS)],
        customer_age=[str(20 + i % 40) for i in range(ROWS)],
        branch_id=[str(i % 3) for i in range(ROWS)],
    ).schema
    assert schema.customer == "client_no"
    assert schema["client_no"].rows_per_value == 2
    assert schema["customer_age"].kind is Kind.INTEGER
    # Three branches in sixty rows are categories whatever they are called.
    assert schema["branch_id"].learned


def test_a_unique_customer_is_the_primary_key(detect):
    schema = detect(customer_id=[str(1000 + 3 * i) for i in range(ROWS)]).schema
    assert (schema.primary_key, schema.customer) == ("customer_id", None)


def test_constant_and_empty_columns_get_a_notice(detect, tmp_path):
    found = detect(same=["7"] * ROWS, word=["x"] * ROWS, empty=[""] * ROWS)
    assert (found.schema["same"].minimum, found.schema["same"].maximum) == (7, 7)
    assert found.schema["word"].categories == ("x",)
    assert (found.schema["empty"].categories, found.schema["empty"].nullable) == ((), True)
    assert len(found.notices) == 3
    assert read_table(tmp_path / "made.csv", found.schema)["empty"].null_count == ROWS


def test_words_of_high_cardinality_are_text(detect):
    letters = string.ascii_lowercase
    words = [f"note {letters[i % 26]}{letters[i // 26 % 26]}{letters[i // 676]} about it" for i in range(1200)]
    categories = [f"zone {letters[i % 26]}{letters[i // 26 % 10]}" for i in range(1200)]
    schema = detect(comment=words, zone=categories).schema
    assert schema["comment"].kind is Kind.TEXT
    assert schema["zone"].kind is Kind.CATEGORICAL


def test_too_many_categories_are_text(detect):
    letters = string.ascii_lowercase
    words = [f"{letters[i % 26]}{letters[i // 26 % 26]}{letters[i // 676 % 4]}" for i in range(27_040)]
    assert detect(place=words).schema["place"].kind is Kind.TEXT


def test_a_numeric_target_of_few_classes_is_categorical(detect):
    values = [str(1 + i % 5) for i in range(ROWS)]
    schema = detect(rating=values, score=values, target="rating").schema
    assert schema["rating"].categories == (1, 2, 3, 4, 5)
    assert schema["score"].kind is Kind.INTEGER
    assert schema.target == "rating"


def test_an_unknown_target_names_the_columns(detect):
    with pytest.raises(InvalidInputError) as error:
        detect(a=["1"] * ROWS, target="b")
    assert error.value.problems[0].field == "target"
    assert "a, filler" in error.value.problems[0].fix


def test_a_target_that_is_not_learned_is_refused(detect):
    with pytest.raises(InvalidInputError, match="email, which is never learned"):
        detect(mail=[f"a{i}@b.org" for i in range(ROWS)], target="mail")


def test_mixed_types_and_infinity_are_placed_all_at_once(detect):
    values = [str(n) for n in spread()]
    mixed = ["oops" if i in (3, 10) else v for i, v in enumerate(values)]
    endless = ["inf" if i == 7 else "1e999" if i == 9 else f"{v}.5" for i, v in enumerate(values)]
    dates = ["soon" if i == 20 else f"2020-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(ROWS)]
    with pytest.raises(InvalidInputError) as error:
        detect(mixed=mixed, endless=endless, dates=dates, target="gone")
    problems = problems_of(error)
    assert problems.keys() == {"target", "column 'mixed'", "column 'endless'", "column 'dates'"}
    assert "2 value(s)" in problems["column 'mixed'"]
    assert "(lines 5, 12)" in problems["column 'mixed'"]
    assert "(lines 9, 11)" in problems["column 'endless'"]
    assert "(line 22)" in problems["column 'dates'"]
    assert not any(word in str(error.value) for word in ("oops", "soon", "1e999"))


def test_storage_names_that_clash_name_both_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Net Income,net.income\n" + "1,2\n" * 30)
    with pytest.raises(InvalidInputError) as error:
        detect_schema(path)
    assert "'Net Income'" in str(error.value)
    assert "'net.income'" in str(error.value)


def test_the_name_of_the_table(tmp_path):
    path = tmp_path / "My Applicants 2024.csv"
    path.write_text("a,b\n" + "1,x\n2,y\n" * 15)
    assert detect_schema(path).schema.name == "my_applicants_2024"
    assert detect_schema(path, name="book").schema.name == "book"
    with pytest.raises(InvalidInputError, match=r"schema\.name"):
        detect_schema(path, name="Not A Name")


def test_parquet_types(tmp_path):
    n = 40
    table = pa.table(
        {
            "word": pa.array(["x", "y"] * 20).dictionary_encode(),
            "large": pa.array(["x", None] * 20, pa.large_string()),
            "price": pa.array([f"{i}.25" for i in range(n)]).cast(pa.decimal128(10, 2)),
            "zoned": pa.array(range(n), pa.timestamp("s", tz="Europe/Berlin")),
            "nanos": pa.array([1_000_000_001 * i for i in range(n)], pa.timestamp("ns")),
            "day": pa.array(range(n), pa.date32()),
            "clock": pa.array(range(n), pa.time32("s")),
            "flag": pa.array([True, False, None, True] * 10),
            "small": pa.array([(i * i) % 50 for i in range(n)], pa.int8()),
            "whole": pa.array([float((i * 7) % 30) for i in range(n)]),
            "zero_one": pa.array([0.0, 1.0] * 20),
            "gaps": pa.array([float("nan") if i % 4 == 0 else i / 8 for i in range(n)]),
            "nothing": pa.nulls(n),
            "customer_id": pa.array([1e6 + i // 2 for i in range(n)]),
        }
    )
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    found = detect_schema(path)
    got = {column.name: (column.kind, column.dtype, column.nullable) for column in found.schema.columns}
    assert got == {
        "word": (Kind.CATEGORICAL, Dtype.STRING, False),
        "large": (Kind.CATEGORICAL, Dtype.STRING, True),
        "price": (Kind.CONTINUOUS, Dtype.DOUBLE, False),
        "zoned": (Kind.DATETIME, Dtype.TIMESTAMP, False),
        "nanos": (Kind.DATETIME, Dtype.TIMESTAMP, False),
        "day": (Kind.DATETIME, Dtype.DATE, False),
        "clock": (Kind.DATETIME, Dtype.TIME, False),
        "flag": (Kind.BOOLEAN, Dtype.BOOL, True),
        "small": (Kind.INTEGER, Dtype.INT64, False),
        "whole": (Kind.INTEGER, Dtype.DOUBLE, False),
        "zero_one": (Kind.BOOLEAN, Dtype.DOUBLE, False),
        "gaps": (Kind.CONTINUOUS, Dtype.DOUBLE, True),
        "nothing": (Kind.CATEGORICAL, Dtype.STRING, True),
        "customer_id": (Kind.IDENTIFIER, Dtype.INT64, False),
    }
    assert found.schema.customer == "customer_id"
    assert found.schema["flag"].categories == (False, True)
    assert any("turned into UTC" in notice for notice in found.notices)
    table = read_table(path, found.schema)
    assert table["zoned"][1].as_py() == datetime.datetime.fromisoformat("1970-01-01T00:00:01")
    assert table["customer_id"][2].as_py() == 1_000_001
    assert table["gaps"].null_count == 10


def test_infinite_numbers_in_parquet_are_placed(tmp_path):
    path = tmp_path / "t.parquet"
    values = np.arange(40.0) / 3
    values[[4, 8]] = np.inf, -np.inf
    pq.write_table(pa.table({"x": values, "y": ["a", "b"] * 20}), path)
    with pytest.raises(InvalidInputError) as error:
        detect_schema(path)
    assert problems_of(error) == {"column 'x'": "2 value(s) are infinite (rows 5, 9)"}


def test_a_schema_survives_printing(german_credit):
    schema = detect_schema(german_credit).schema
    assert type(schema).model_validate_json(schema.model_dump_json()) == schema


def test_float_dust_is_no_decimal_place(detect):
    values = [f"{n}.25" for n in spread()]
    values[5] = "4.440892e-16"
    values[6] = "0.30000000000000004"
    assert detect(a=values).schema["a"].decimals == 2


def test_numbers_in_full_precision_have_no_decimal_places(detect):
    rng = np.random.default_rng(1)
    column = detect(a=[repr(float(v)) for v in rng.random(ROWS)]).schema["a"]
    assert (column.kind, column.decimals) == (Kind.CONTINUOUS, None)
