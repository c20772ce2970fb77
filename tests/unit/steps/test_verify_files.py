"""Results are what was published, or they are not used."""

import json
import shutil

import pytest

import synthcredit
from synthcredit.errors import InvalidInputError, NotFoundError
from synthcredit.local.signer import FolderSigner
from synthcredit.local.world import open_world
from synthcredit.signing import SUFFIX, fingerprint
from synthcredit.steps.verify_files import verify_card, verify_files


@pytest.fixture(scope="module")
def made(tmp_path_factory, german_credit):
    home = tmp_path_factory.mktemp("home")
    done = synthcredit.run(
        german_credit, target="creditability", rows=200, evidence="basic", home=home, out=home / "out"
    )
    return home, done


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made[1].folder, tmp_path / "results")


def test_what_was_published_holds_and_names_its_signer(made, folder):
    held = verify_files(folder)
    assert set(held.files) == {"data/german_credit/part-00000.parquet", "evidence.json", "report.html"}
    signer = open_world(made[0], made[0]).signer
    assert held.signed_by == signer.sign(b"anything").fingerprint
    assert verify_files(folder, key=held.signed_by) == held


@pytest.mark.parametrize("name", ["data/german_credit/part-00000.parquet", "evidence.json", "report.html"])
def test_a_changed_file_is_found(folder, name):
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(InvalidInputError, match=f"{name}: it is not the file that was published"):
        verify_files(folder)


def test_everything_that_is_wrong_is_said_at_once(folder):
    (folder / "report.html").unlink()
    (folder / "evidence.json").write_text("{}")
    with pytest.raises(InvalidInputError) as caught:
        verify_files(folder)
    assert {problem.field for problem in caught.value.problems} == {"report.html", "evidence.json"}


def test_a_changed_manifest_is_found_by_its_signature(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"rows": 10**6}))
    with pytest.raises(InvalidInputError, match="not what was signed"):
        verify_files(folder)


def test_who_signs_anew_has_another_fingerprint(folder, made, tmp_path):
    genuine = verify_files(folder).signed_by
    forger = FolderSigner(tmp_path / "forger.pem")
    signature = forger.sign((folder / "manifest.json").read_bytes())
    (folder / f"manifest.json{SUFFIX}").write_text(signature.model_dump_json())
    assert verify_files(folder).signed_by == signature.fingerprint != genuine
    with pytest.raises(InvalidInputError, match=f"the key {signature.fingerprint} signed it, not {genuine}"):
        verify_files(folder, key=genuine)


def test_what_nobody_signed_says_so(folder):
    (folder / f"manifest.json{SUFFIX}").unlink()
    assert verify_files(folder).signed_by is None
    with pytest.raises(InvalidInputError, match="nobody signed it"):
        verify_files(folder, key="0" * 16)


@pytest.mark.parametrize("content", ["", "{}", '{"version": 1, "sha256": "", "public_key": "x", "signature": "!"}'])
def test_a_hostile_signature_is_refused_in_words(folder, content):
    (folder / f"manifest.json{SUFFIX}").write_text(content)
    with pytest.raises(InvalidInputError, match="no signature|not what was signed"):
        verify_files(folder)


def test_a_manifest_cannot_point_out_of_its_folder(folder, made):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["outputs"][0]["name"] = "../../etc/passwd"
    content = json.dumps(manifest)
    (folder / "manifest.json").write_text(content)
    signature = open_world(made[0], made[0]).signer.sign(content.encode())
    (folder / f"manifest.json{SUFFIX}").write_text(signature.model_dump_json())
    with pytest.raises(InvalidInputError, match="outside of its folder"):
        verify_files(folder)


def test_a_folder_without_results_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"manifest\.json: it does not exist"):
        verify_files(tmp_path)


def test_a_model_card_is_signed_and_stays_so_when_rows_are_released(made):
    home, done = made
    card = open_world(home, home).models.find(done.manifest.model_id)
    assert card.released
    assert verify_card(card).signed_by == verify_files(done.folder).signed_by
    with pytest.raises(InvalidInputError, match="not what was signed"):
        verify_card(card.model_copy(update={"seed": 99}))
    assert synthcredit.verify_model(card.model_id, home=home).signed_by == card.signature.fingerprint


def test_the_key_is_one_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "keys" / "signing-key.pem"
    first, second = FolderSigner(path).sign(b"a"), FolderSigner(path).sign(b"a")
    assert first.public_key == second.public_key
    assert fingerprint(first.public_key) == first.fingerprint
    assert path.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir()] == ["signing-key.pem"]
