import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.read import read_table
from synthcredit.datasets.source import open_source
from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.hashing import file_hash

ROWS = [f"{i},{'xyz'[i % 3]}" for i in range(40)]


def write(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def refusal(path, what=detect_schema):
    with pytest.raises(InvalidInputError) as error:
        what(path)
    return error.value.problems


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_encodings(tmp_path, encoding):
    rows = [f"{i},{['Müller', 'Françoise', 'Ñandú'][i % 3]}" for i in range(40)]
    path = write(tmp_path, "\n".join(["größe,wort", *rows]) + "\n", encoding=encoding)
    found = detect_schema(path)
    assert found.schema.names == ["größe", "wort"]
    assert set(found.schema["wort"].categories) == {"Müller", "Françoise", "Ñandú"}
    assert bool(found.notices and "not in UTF-8" in found.notices[0]) == (encoding in ("cp1252", "latin-1"))


def test_cyrillic(tmp_path):
    words = ["кредит одобрен", "кредит отклонён", "решение принято позже"]
    text = "\n".join(["a,b", *(f"{i},{words[i % 3]}" for i in range(60))])
    found = detect_schema(write(tmp_path, text, encoding="cp1251"))
    assert set(found.schema["b"].categories) == set(words)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_quotes(tmp_path, delimiter):
    rows = [delimiter.join((str(i % 7), f'"a{delimiter}""b""\nc{i % 2}"', f"{i}.5")) for i in range(40)]
    path = write(tmp_path, "\r\n".join([delimiter.join(("n", "quoted", "x")), *rows]))
    found = detect_schema(path)
    assert found.schema["quoted"].categories == (f'a{delimiter}"b"\nc0', f'a{delimiter}"b"\nc1')
    assert found.rows == 40


def test_blank_lines_and_spaces_around_values(tmp_path):
    text = "\n a , b\n\n" + "\n\n".join(f" {i} , x{i % 2} " for i in range(30)) + "\n\n\n"
    found = detect_schema(write(tmp_path, text))
    assert found.schema.names == ["a", "b"]
    assert found.schema["b"].categories == ("x0", "x1")
    assert found.rows == 30


def test_header_that_spans_lines(tmp_path):
    found = detect_schema(write(tmp_path, "\n".join(['"two\nlines",b', *ROWS])))
    assert found.schema.names == ["two\nlines", "b"]
    assert found.rows == 40


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is empty"),
        ("\n  \n", "the file is empty"),
        ("a,b\n", "it has a header and no rows"),
        ("a,b", "it has a header and no rows"),
        ("a,b\n1,2\n", "it has only 1 row(s)"),
        ("\n".join(["a,b", *ROWS[:19]]), "it has only 19 row(s)"),
        ("a\n" + "1\n" * 30, "it has only one column"),
        ("\n".join(["a,a", *ROWS]), "the name stands 2 times in the header"),
        ("\n".join([",b", *ROWS]), "column 1 of the header has no name"),
        ("\n".join(["a,b", *ROWS, "1,2,3", "1"]), "2 row(s) do not have the 2 fields of the header (lines 42, 43)"),
        (b"a,b\n\x00\x01\x02\xff" * 20, "the file is binary, not text"),
        (b"PK\x03\x04" + b"x" * 100, "the file is a zip archive or an Excel workbook, not text"),
        (b"PAR1" + b"x" * 100, "the file is a Parquet file, not text"),
        ('a,b\n1,"never closed\n' + "\n".join(ROWS), "a quoted field that begins near line 2 does not end"),
    ],
)
def test_bad_text_files(tmp_path, text, problem):
    found = refusal(write(tmp_path, text))
    assert [p.problem for p in found] == [problem]
    assert all(p.fix for p in found)


def test_all_faults_of_a_header_at_once(tmp_path):
    found = refusal(write(tmp_path, "\n".join(["a,,a,", *(["1,2,3,4"] * 30)])))
    assert [p.problem for p in found] == [
        "columns 2, 4 of the header has no name",
        "the name stands 2 times in the header",
    ]


def test_too_many_columns(tmp_path):
    text = "\n".join([",".join(f"c{i}" for i in range(2000)), *([",".join("1" * 2000)] * 30)])
    assert refusal(write(tmp_path, text))[0].problem == "it has 2000 columns"


def test_ragged_lines_are_counted_with_quoted_newlines_and_blank_lines(tmp_path):
    text = "a,b\n" + '1,"x\ny"\n\n' * 30 + "1,2,3\n"
    assert "(line 92)" in refusal(write(tmp_path, text))[0].problem


def test_a_quote_that_swallows_the_file(tmp_path):
    rows = "\n".join(f"{i},{'word ' * 20}" for i in range(100_000))
    path = write(tmp_path, f'a,b\n1,x\n2,"never closed\n{rows}')
    assert "line 3" in refusal(path)[0].problem


def test_a_row_that_is_too_long(tmp_path):
    text = "a,b\n" + "\n".join(ROWS) + f'\n1,"{"x" * 9_000_000}"\n'
    with pytest.raises(InvalidInputError):
        detect_schema(write(tmp_path, text))


def test_damaged_utf8_names_the_lines(tmp_path):
    rows = [f"{i},größe".encode() for i in range(40)]
    rows[4] = b"4,gr\xf6\xdfe"
    found = refusal(write(tmp_path, b"\n".join([b"a,b", *rows])))
    assert found[0].problem == "it is not valid UTF-8 (line 6)"


def test_damaged_utf16(tmp_path):
    data = "\n".join(["a,b", *ROWS]).encode("utf-16-le")
    found = refusal(write(tmp_path, b"\xff\xfe" + data + b"\x00\xd8"))
    assert "cannot be decoded" in found[0].problem


def test_paths_that_are_no_table(tmp_path):
    with pytest.raises(NotFoundError, match="does not exist"):
        detect_schema(tmp_path / "gone.csv")
    assert refusal(tmp_path)[0].problem == "it is a folder"
    assert "'.xlsx' is not known" in refusal(write(tmp_path, "x", "t.xlsx"))[0].problem


def test_bad_parquet_files(tmp_path):
    assert "no Parquet file" in refusal(write(tmp_path, "a,b\n1,2\n", "t.parquet"))[0].problem
    path = tmp_path / "n.parquet"
    pq.write_table(pa.table({"a": [[1]] * 30, "b": [b"x"] * 30, "c": [1] * 30}), path)
    assert [p.field for p in refusal(path)] == ["column 'a'", "column 'b'"]
    pq.write_table(pa.table({"a": [1] * 5, "b": [1] * 5}), path)
    assert "only 5 row(s)" in refusal(path)[0].problem
    pq.write_table(pa.table({"a": pa.array([2**64 - 1] * 30, pa.uint64()), "b": [1] * 30}), path)
    assert "out of range" in refusal(path)[0].problem


def test_a_parquet_file_that_was_cut(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": list(range(5000)), "b": ["x", "y"] * 2500}), path, compression="none")
    data = bytearray(path.read_bytes())
    data[4:2000] = b"\xff" * 1996
    path.write_bytes(data)
    assert "damaged" in refusal(path)[0].problem


def test_places_are_found_by_line_and_by_row(tmp_path):
    source = open_source(write(tmp_path, 'a,b\n\n"1\n",2\n' + "3,4\n" * 30))
    assert source.places([0, 1, 2], 9) == "lines 3, 5, 6 and 4 more"
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2]}), path)
    assert open_source(path).places([0], 1) == "row 1"


def test_file_hash(tmp_path):
    path = write(tmp_path, b"x" * 3_000_000)
    assert file_hash(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_only_wanted_columns_are_read(tmp_path):
    path = write(tmp_path, "\n".join(["a,b", *ROWS]))
    assert [batch.schema.names for batch in open_source(path).blocks(["b"])] == [["b"]]


def test_reading_streams_a_large_file_in_bounded_memory(tmp_path):
    # Arrow's own pool and Python's heap are both watched: detection must not hold the table.
    import tracemalloc

    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write("customer_id,amount,kind,when\n")
        for i in range(200_000):
            file.write(
                f"C{i:07d},{(i * 7919) % 100_003}.{i % 100:02d},{'abc'[i % 3]},2020-{1 + i % 12:02d}-{1 + i % 28:02d}\n"
            )
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    tracemalloc.start()
    found = detect_schema(path)
    python_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.rows == 200_000
    assert found.schema.primary_key == "customer_id"
    assert python_peak < 40 * 2**20
    assert pool.bytes_allocated() - before < 16 * 2**20
    table = read_table(path, found.schema)
    assert table.nbytes < 12 * 2**20
