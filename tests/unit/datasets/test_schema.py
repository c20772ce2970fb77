import pytest
from pydantic import ValidationError

from synthcredit.datasets.schema import Column, Dtype, Kind, Pii, TableSchema, storage_name


def column(name="a", kind=Kind.INTEGER, dtype=Dtype.INT64, **fields):
    return Column(**({"name": name, "storage_name": storage_name(name), "kind": kind, "dtype": dtype} | fields))


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("default.payment.next.month", "default_payment_next_month"),
        ("Größe (cm)", "gr_e_cm"),
        ("customerID", "customer_id"),
        ("LIMIT_BAL", "limit_bal"),
        ("2nd", "c_2nd"),
        ("%", "c_"),
    ],
)
def test_storage_names(name, stored):
    assert storage_name(name) == stored
    assert storage_name(stored) == stored.rstrip("_") or stored == "c_"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": Kind.CATEGORICAL}, "needs its categories"),
        ({"minimum": 2, "maximum": 1}, "minimum above its maximum"),
        ({"kind": Kind.TEXT}, "its dtype must be string"),
        ({"kind": Kind.DATETIME}, "its dtype must be date32 or timestamp"),
        ({"kind": Kind.IDENTIFIER, "dtype": Dtype.DATE}, "its dtype must be string or int64"),
        ({"kind": Kind.IDENTIFIER, "pii": Pii.PHONE}, "personal data .phone., so its dtype must be string"),
        ({"rows_per_value": 0.5}, "greater than or equal to 1"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_columns_that_contradict_themselves(fields, message):
    with pytest.raises(ValidationError, match=message):
        column(**fields)


@pytest.mark.parametrize(
    ("columns", "roles", "message"),
    [
        ([column("a"), column("a", storage_name="b")], {}, "name 'a' is used by more than one"),
        ([column("a b"), column("a.b")], {}, "storage_name 'a_b' is used by more than one"),
        ([column("a")], {"target": "b"}, "target 'b' is not a column"),
        ([], {}, "at least 1 item"),
    ],
)
def test_tables_that_contradict_themselves(columns, roles, message):
    with pytest.raises(ValidationError, match=message):
        TableSchema(name="t", columns=columns, **roles)


def test_what_is_learned():
    identifier = column("id", Kind.IDENTIFIER)
    mail = column("mail", Kind.IDENTIFIER, Dtype.STRING, pii=Pii.EMAIL)
    schema = TableSchema(name="t", columns=(identifier, mail, column("a")))
    assert [c.name for c in schema.learned] == ["a"]
    assert schema["mail"] is mail
    assert schema.names == ["id", "mail", "a"]


def test_the_fingerprint_is_of_the_form_not_of_the_values():
    schema = TableSchema(name="t", columns=(column("a"), column("b")))
    wider = TableSchema(name="t", columns=(column("a", maximum=9), column("b")))
    assert schema.fingerprint == wider.fingerprint
    assert schema.fingerprint != schema.with_target("b").fingerprint
    assert schema.with_target("b").target == "b"
    assert schema.fingerprint != TableSchema(name="u", columns=schema.columns).fingerprint
