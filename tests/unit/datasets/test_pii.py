import pytest
from faker import Faker

from synthcredit.datasets import pii
from synthcredit.datasets.detect import detect_schema
from synthcredit.datasets.schema import Dtype, Kind, Pii

ROWS = 60


def fakers(locale="en_US"):
    fake = Faker(locale)
    fake.seed_instance(5)
    return fake


def phone(fake):
    return fake.numerify("(2##) 3##-####")


MADE = {
    Pii.FIRST_NAME: ("given_name", lambda f: f.first_name()),
    Pii.LAST_NAME: ("Surname", lambda f: f.last_name()),
    Pii.FULL_NAME: ("customer_name", lambda f: f.name()),
    Pii.EMAIL: ("E-Mail", lambda f: f.email()),
    Pii.PHONE: ("PhoneNumber", phone),
    Pii.ADDRESS: ("home_address", lambda f: f.street_address()),
    Pii.NATIONAL_ID: ("ssn", lambda f: f.ssn()),
    Pii.IBAN: ("iban", lambda f: f.iban()),
    Pii.CARD_NUMBER: ("card_number", lambda f: f.credit_card_number("visa16")),
}


def recognised(name, values):
    return pii.recognise(name, list(dict.fromkeys(values)), distinct=len(set(values)), count=len(values))


@pytest.mark.parametrize(("kind", "name", "make"), [(k, *v) for k, v in MADE.items()])
def test_recognised_by_name(kind, name, make):
    fake = fakers()
    assert recognised(name, [make(fake) for _ in range(ROWS)]) is kind


@pytest.mark.parametrize("kind", [k for k in MADE if k is not Pii.LAST_NAME])
def test_recognised_by_content_alone(kind):
    fake = fakers()
    assert recognised("field7", [MADE[kind][1](fake) for _ in range(ROWS)]) is kind


def test_british_and_german_forms():
    nino = [f"AB{i:06d}{'ABCD'[i % 4]}" for i in range(ROWS)]
    assert recognised("x", nino) is Pii.NATIONAL_ID
    assert recognised("x", [f"+49 30 {1234567 + i}" for i in range(ROWS)]) is Pii.PHONE
    assert (
        recognised("x", [f"{name}straße {i}, Berlin" for i in range(20) for name in ("Haupt", "Garten")]) is Pii.ADDRESS
    )
    fake = fakers("de_DE")
    assert recognised("Vorname", [fake.first_name() for _ in range(ROWS)]) is Pii.FIRST_NAME


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("telephone", ["none", "yes, registered under the customers name"]),
        ("personal.status.and.sex", ["male : single", "female : divorced/separated/married"]),
        ("phone", ["0", "1"]),
        ("has_email", ["yes", "no"]),
        ("email", ["0", "1"]),
        ("amount", [str(1_000_000 + 7919 * i) for i in range(ROWS)]),
        ("number", [str(2_125_550_100 + 7919 * i) for i in range(ROWS)]),
        ("long", [str(4_000_000_000_000_000 + 7919 * i) for i in range(ROWS)]),
        ("balance", [f"-{1_234_567 + i}.50" for i in range(ROWS)]),
        ("day", [f"2020-01-{1 + i % 28:02d}" for i in range(ROWS)]),
        ("product_name", ["Gold Card", "Silver Card", "Student Account"]),
        ("branch_name", [f"Alice Branch{c}" for c in "abcdefghijklmnopqrstuvwxyz"]),
        ("name", ["Basic", "Plus"]),
        ("addr_state", ["CA", "TX", "NY"]),
        ("job", ["Manager", "Clerk", "Baker"]),
        ("tax_id", ["A", "B"]),
        ("pan", ["x", "y"]),
        ("iban", ["no", "yes"]),
        ("age_band", ["19-24", "25-34"]),
        ("empty", []),
    ],
)
def test_what_is_not_personal(name, values):
    assert recognised(name, values * 3) is None


def test_check_digits():
    assert pii.luhn("79927398713")
    assert not pii.luhn("79927398710")
    assert pii.iban("GB82 WEST 1234 5698 7654 32")
    assert not pii.iban("GB83 WEST 1234 5698 7654 32")
    assert not pii.iban("hello")
    assert pii.card("4111 1111 1111 1111")
    assert not pii.card("4111 1111 1111 1112")


def test_personal_columns_are_strings_that_are_not_learned(tmp_path):
    fake = fakers()
    columns = {name: [make(fake) for _ in range(ROWS)] for name, make in MADE.values()}
    columns["nino"] = [f"AB{i:06d}A" for i in range(ROWS)]
    columns["passport_no"] = [f"K{(i * 7919) % 99991:07d}" for i in range(ROWS)]
    columns["mobile"] = [str(15_550_000_000 + 7919 * i) for i in range(ROWS)]
    columns["amount"] = [str((i * 37) % 101) for i in range(ROWS)]
    path = tmp_path / "people.csv"
    rows = ["\t".join(row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(["\t".join(columns), *rows]).replace("\n\n", "\n"))
    found = detect_schema(path)
    assert [column.name for column in found.schema.learned] == ["amount"]
    for column in found.schema.columns[:-1]:
        assert column.pii is not None, column.name
        assert column.dtype is Dtype.STRING
        words = column.pii in (Pii.FIRST_NAME, Pii.LAST_NAME, Pii.FULL_NAME, Pii.ADDRESS)
        assert column.kind is (Kind.TEXT if words else Kind.IDENTIFIER)
        assert any(f"'{column.name}'" in notice and "personal data" in notice for notice in found.notices)
    assert found.schema["ssn"].format is None
    assert found.schema["nino"].format == "QQ{:06d}C"
    assert found.schema["passport_no"].format == "X{:07d}"
