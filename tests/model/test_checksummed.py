import json
import re
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from fathomline.model.checksummed import DamagedFileError, load_checksummed, save_checksummed

TENSORS = {
    "weights": torch.arange(12.0).reshape(3, 4),
    "halves": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "none": torch.zeros(0, 5),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "kept.safetensors"


def test_tensors_and_metadata_are_read_as_they_were_written(path):
    save_checksummed(TENSORS, path, {"state": "[1, 2]", "name": "Bucht"})
    tensors, metadata = load_checksummed(path)
    assert metadata == {"state": "[1, 2]", "name": "Bucht"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_a_file_may_have_no_tensors_and_no_metadata(path):
    save_checksummed({}, path)
    assert load_checksummed(path) == ({}, {})


def test_tensors_that_are_not_contiguous_are_written(path):
    save_checksummed({"turned": TENSORS["weights"].T, "part": TENSORS["weights"][:, 1:3]}, path)
    tensors, _ = load_checksummed(path)
    assert torch.equal(tensors["turned"], TENSORS["weights"].T)
    assert torch.equal(tensors["part"], TENSORS["weights"][:, 1:3])


def test_the_same_content_gives_the_same_bytes(path):
    written = []
    for order in (1, -1):
        metadata = dict(list({str(number): "x" for number in range(9)}.items())[::order])
        save_checksummed(dict(list(TENSORS.items())[::order]), path, metadata)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_a_missing_file_is_not_reported_as_damaged(path):
    with pytest.raises(FileNotFoundError):
        load_checksummed(path)


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("content") / "kept.safetensors"
    save_checksummed(TENSORS, path, {"state": "[1, 2]"})
    return path.read_bytes()


def flipped(content: bytes, place: int, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[place % len(content)] ^= 1 << bit
    return bytes(damaged)


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_what_is_read(content, tmp_path_factory, place, bit):
    path = tmp_path_factory.mktemp("damaged") / "kept.safetensors"
    path.write_bytes(flipped(content, place, bit))
    with suppress(DamagedFileError):  # white space in the header may change without effect
        tensors, metadata = load_checksummed(path)
        assert metadata == {"state": "[1, 2]"}
        assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_every_flipped_bit_in_the_tensors_is_detected(content, path):
    path.parent.mkdir()
    size = sum(tensor.numel() * tensor.element_size() for tensor in TENSORS.values())
    for place in range(len(content) - size, len(content)):
        path.write_bytes(flipped(content, place, place % 8))
        with pytest.raises(DamagedFileError, match=re.escape(f"{path} is damaged (its checksum is")):
            load_checksummed(path)


@pytest.mark.parametrize("damage", [b"", b"no tensors", -1, -40])
def test_a_truncated_or_garbled_file_is_reported_as_damaged(content, path, damage):
    path.parent.mkdir()
    path.write_bytes(damage if isinstance(damage, bytes) else content[:damage])
    with pytest.raises(DamagedFileError, match=re.escape(f"{path} is damaged (")):
        load_checksummed(path)


@pytest.mark.parametrize("metadata", [None, {"state": "[]"}, {"checksummed": "3"}, {"checksummed": "{}"}])
def test_a_file_without_a_checksum_is_reported_as_damaged(path, metadata):
    path.parent.mkdir()
    save_file({"weights": torch.zeros(2)}, path, metadata=metadata)
    with pytest.raises(DamagedFileError):
        load_checksummed(path)


def rewritten(path, tensors=None, metadata=None) -> None:
    """Write other tensors or metadata with the checksum of the previous ones."""
    with safe_open(path, framework="pt") as stream:
        entry = json.loads(stream.metadata()["checksummed"])
    save_file(
        tensors or {"a": torch.ones(2, 3)}, path, {"checksummed": json.dumps(entry | {"metadata": metadata or {}})}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"tensors": {"b": torch.ones(2, 3)}},
        {"tensors": {"a": torch.ones(3, 2)}},
        {"tensors": {"a": torch.ones(2, 3).view(torch.int32)}},
        {"tensors": {"a": torch.ones(2, 3), "b": torch.zeros(0)}},
        {"metadata": {"state": "[]"}},
    ],
)
def test_the_checksum_covers_names_dtypes_shapes_and_metadata(path, change):
    save_checksummed({"a": torch.ones(2, 3)}, path)
    rewritten(path)
    load_checksummed(path)
    rewritten(path, **change)
    with pytest.raises(DamagedFileError, match="its checksum is"):
        load_checksummed(path)
