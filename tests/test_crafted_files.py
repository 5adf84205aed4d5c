"""Damaged, swapped and hostile files in the place of those that stages write: each is refused by name, in one line."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from fathomline.dataset.description import write_description
from fathomline.dataset.history_table import read_history
from fathomline.decide.rule import DecisionRule, read_rule
from fathomline.errors import InputError
from fathomline.files import content_digest, sha256_of, write_csv, write_json
from fathomline.images.annotations import COLUMNS, read_annotations
from fathomline.images.coco import read_dataset
from fathomline.images.split import SplitConfig, assign_folds, read_split
from fathomline.learn.backbone import build
from fathomline.learn.checkpoint import Model, load_model, save_model
from fathomline.learn.dataset import read_crops
from fathomline.model.model_json import Architecture, held_out_digest
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.reference import read_reference, write_reference
from fathomline.taxonomy.tree import Taxonomy
from tests.crops import preprocessing_of

ROIS, VIEWS, SIZE = 12, 2, 16
DEEP = 100_000


@dataclass(frozen=True)
class Case:
    """One file of the small world, what is done to it, how it is read then, and what the refusal says."""

    file: str
    name: str
    damage: Callable[[Path], None]
    read: Callable[[Path], object]
    """Takes the folder of the world."""
    says: str
    """A pattern that the message must hold."""

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


@pytest.fixture(scope="module")
def intact(tmp_path_factory) -> Path:
    """Six frames of two ROIs each, two views, two concepts, three folds and three epochs."""
    folder = tmp_path_factory.mktemp("intact")
    ids, images = np.arange(ROIS) + 100, np.arange(ROIS) // 2
    table = pd.DataFrame({"annotation_id": ids, "image_id": images, "group": images.astype(str)})
    table["path"] = [f"rois/{image}_{identity}.png" for image, identity in zip(images, ids, strict=True)]
    table["label"] = ["Redfish", "Bluefish"] * (ROIS // 2)
    table[["x", "y", "w", "h", "frame_w", "frame_h"]] = [1.5, 2.0, 8.0, 9.25, 40, 30]
    table = table.astype({"frame_w": int, "frame_h": int})[COLUMNS]
    write_csv(table, folder / "crops/annotations.csv")
    shape = (ROIS, VIEWS, SIZE, SIZE, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.save(folder / "crops/pixels.npy", pixels)
    write_description(folder / "crops", preprocessing_of(pixels, 1.0, "frame"), ROIS)
    write_csv(assign_folds(table, SplitConfig(folds=3, group=None, seed=0)), folder / "split.csv")
    above = ["Animalia", "Chordata", "Teleostei", "Perciformes", "Sebastidae", "Sebastes"]
    names = ("Redfish", "Bluefish")
    lineages = [Lineage(name, name, "species", dict(zip(RANKS, [*above, name], strict=True))) for name in names]
    write_reference(Taxonomy(lineages), folder / "taxonomy_reference.json")
    losses = {"train_loss": [3.0, 2.0, 1.0], "lora_gradient_norm": None}
    history = pd.DataFrame({"epoch": [1, 2, 3], "validation_mhd": [5.0, 4.0, 3.5], **losses})
    write_csv(history, folder / "fold-0/history.csv")
    architecture = Architecture("test_resnet", {}, 16, VIEWS, "concat", False, 2, (0.5,) * 3, (0.5,) * 3)
    preprocessing = preprocessing_of(pixels, 1.0, "frame")
    classes, held_out = ("Bluefish", "Redfish"), held_out_digest(ids[:4])
    taxonomy_hash = Taxonomy(lineages).hash
    model = Model(build(architecture), architecture, preprocessing, "fp32", classes, taxonomy_hash, held_out)
    save_model(model, folder / "fold-0")
    thresholds = dict.fromkeys(map(str, RANKS), 0.5)
    rule = DecisionRule("risk", "tree", 1.5, thresholds, "Redfish", ["identity", "rotate_180"])
    write_json(asdict(rule), folder / "calibration.json")
    categories = [{"id": 1, "name": "Redfish"}, {"id": 2, "name": "Bluefish"}]
    box = {"id": 100, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}
    write_json({"images": [{"id": 0}], "annotations": [box], "categories": categories}, folder / "dataset.json")
    return folder


@pytest.fixture
def world(intact, tmp_path) -> Path:
    return shutil.copytree(intact, tmp_path / "world")


# What is done to a file.


def holds(content: str | bytes) -> Callable[[Path], None]:
    """The file holds something else."""
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content) and None


def appended(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes() + text.encode()) and None


def missing(path: Path) -> None:
    path.unlink()


def is_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def is_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def in_utf_16(path: Path) -> None:
    path.write_bytes(path.read_text().encode("utf-16"))


def cut(share: float) -> Callable[[Path], None]:
    """Only the first part of the file is there."""
    return lambda path: holds(path.read_bytes()[: int(path.stat().st_size * share)])(path)


def table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    """The table, as texts, is changed."""

    def damage(path: Path) -> None:
        changed = change(pd.read_csv(path, dtype=str, keep_default_na=False))
        changed.to_csv(path, index=False)

    return damage


def cell(column: str, value: str, row: int = 0) -> Callable[[Path], None]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[row, column] = value
        return rows

    return table(change)


def document(change: Callable[[dict], object], resealed: bool = True) -> Callable[[Path], None]:
    """The JSON is changed: `change` alters it in place, or returns another one. Its own seal, where it has one, is made
    to fit, as a forger would."""

    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        replaced = change(content)
        content = content if replaced is None else replaced
        if resealed and isinstance(content, dict) and "sha256" in content:
            content["sha256"] = content_digest({name: value for name, value in content.items() if name != "sha256"})
        path.write_text(json.dumps(content))

    return damage


def key(value: object, *keys: str) -> Callable[[Path], None]:
    """One value of a JSON is another."""

    def change(content: dict) -> None:
        for name in keys[:-1]:
            content = content[name]
        content[keys[-1]] = value

    return document(change)


def repeated_first_key(path: Path) -> None:
    content = json.loads(path.read_text())
    first = next(iter(content))
    path.write_text(f"{{{json.dumps(first)}: 1, {json.dumps(content)[1:]}")


def array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: np.save(path, change(np.load(path)))


def forged(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """Weights are damaged, and model.json is made to fit."""

    def both(path: Path) -> None:
        damage(path)
        key(sha256_of(path), "weights_sha256")(path.with_name("model.json"))

    return both


def forged_weights(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Tensors are changed in place."""

    def damage(path: Path) -> None:
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return forged(damage)


def sealed(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """As a forger would: the sums in crops.json are made to fit."""

    def both(path: Path) -> None:
        damage(path)
        key(sha256_of(path), f"{path.stem}_sha256")(path.with_name("crops.json"))

    return both


def is_an_archive(path: Path) -> None:
    with open(path, "wb") as stream:
        np.savez(stream, pixels=np.zeros(3))


def flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def header(text: str) -> Callable[[Path], None]:
    """An .npy file with this text for a header."""
    line = text.encode("latin-1").ljust(117) + b"\n"
    return holds(b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + bytes(100))


# How the files are read.


def annotations_of(folder: Path) -> object:
    return read_annotations(folder / "crops/annotations.csv", labelled=True)


def crops_of(folder: Path) -> object:
    return read_crops(folder / "crops", labelled=True)


def split_of(folder: Path) -> object:
    return read_split(folder / "split.csv", read_annotations(folder / "crops/annotations.csv"))


def taxonomy_of(folder: Path) -> object:
    return read_reference(folder / "taxonomy_reference.json")


def history_of(folder: Path) -> object:
    return read_history(folder / "fold-0/history.csv")


def dataset_of(folder: Path) -> object:
    return read_dataset(folder / "dataset.json")


def model_of(folder: Path) -> object:
    return load_model(folder / "fold-0", read_reference(folder / "taxonomy_reference.json"))


def rule_of(folder: Path) -> object:
    return read_rule(folder / "calibration.json")


UNUSABLE = {
    "missing": (missing, "no such file"),
    "a folder": (is_a_folder, "cannot be read.*Is a directory"),
    "a link that leads in a circle": (is_a_loop, "cannot be read.*Too many levels of symbolic links"),
}

NO_CSV = UNUSABLE | {
    "empty": (holds(""), "not a CSV"),
    "binary": (holds(b"\x00\xff\xfe\x93" * 99), "not a CSV in UTF-8"),
    "in UTF-16": (in_utf_16, "not a CSV in UTF-8"),
    "another table": (holds("a,b\n1,2\n"), "lacks the column"),
    "without rows": (table(lambda rows: rows.head(0)), "no rows, expected at least one"),
    "a column twice": (table(lambda rows: pd.concat([rows, rows.iloc[:, :1]], axis=1)), "header repeats the column"),
    "a row too long": (appended("," * 20 + "\n"), "not a CSV, or a row"),
    "an open quote": (appended('"'), "not a CSV, or a row"),
}

NO_JSON = UNUSABLE | {
    "empty": (holds(""), "not JSON"),
    "binary": (holds(b"\x00\xff\xfe\x93" * 99), "not JSON"),
    "in UTF-16": (in_utf_16, "not JSON"),
    "cut in half": (cut(0.5), "not JSON"),
    "nested too deeply": (holds('{"a":' * DEEP + "1" + "}" * DEEP), "(nested too deeply|maximum recursion depth)"),
    "null": (holds("null"), "expected"),
    "a list": (holds("[]"), "expected"),
}

STRICT_JSON = NO_JSON | {
    "a key twice": (repeated_first_key, r"repeats the key\(s\)"),
    "NaN": (holds('{"views": NaN}'), "NaN is not a number in JSON"),
    "an endless number": (holds('{"views": 1e999}'), "1e999 is not a number in JSON"),
    "a number of 5,000 digits": (holds('{"views": ' + "9" * 5000 + "}"), "4300 digits"),
    "half a character": (holds(r'{"views": "\ud800"}'), "surrogates not allowed"),
    "with a byte order mark": (holds(b"\xef\xbb\xbf{}"), "BOM"),
}

ANNOTATIONS = {
    "a column missing": (table(lambda rows: rows.drop(columns="group")), r"lacks the column\(s\) group"),
    "an id twice": (cell("annotation_id", "101"), r"1 row\(s\) repeat an annotation_id, expected each once: 101"),
    "an id of 2^63": (cell("annotation_id", str(2**63)), "`annotation_id` are not .*row 2 has 9223372036854775808"),
    "a float id": (cell("annotation_id", "100.0"), "`annotation_id` are not a whole number.*row 2 has '100.0'"),
    "an id of Arabic digits": (cell("image_id", "٣"), "`image_id` are not a whole number"),
    "an empty id": (cell("image_id", "", 3), "`image_id` are not a whole number of 64 bits: row 5 has ''"),
    "NaN": (cell("x", "nan"), "`x` are not a finite number: row 2 has 'nan'"),
    "infinity": (cell("w", "inf"), "`w` are not a finite number"),
    "a number that overflows": (cell("h", "1e999"), "`h` are not a finite number"),
    "a negative width": (cell("w", "-8"), "`w` are not greater than 0"),
    "no height": (cell("h", "0"), "`h` are not greater than 0"),
    "a negative corner": (cell("y", "-0.5"), "`y` are not greater than or equal to 0"),
    "a box beyond its frame": (cell("x", "33"), r"1 row\(s\) have a box that reaches beyond its frame: row 2"),
    "a frame without pixels": (cell("frame_w", "0"), "`frame_w` are not greater than or equal to 1"),
    "a frame of half a pixel": (cell("frame_h", "30.5"), "`frame_h` are not a whole number"),
    "a path out of the folder": (cell("path", "../../../etc/passwd"), r"have a `path` other than .*: row 2"),
    "an absolute path": (cell("path", "/etc/passwd"), "have a `path` other than"),
    "another ROI's path": (cell("path", "rois/0_101.png"), "have a `path` other than"),
    "an empty path": (cell("path", ""), "`path` are not a text that is not empty"),
    "an empty group": (cell("group", " "), "`group` are not a text that is not empty"),
    "no label": (cell("label", ""), r"1 row\(s\) of the training subset have no label: row 2"),
    "a label that commands the terminal": (cell("label", "\x1b[2J"), r"`label` are not .*row 2 has '\\x1b\[2J'"),
    "a label of two lines": (cell("label", "Red\nfish"), r"`label` are not a text without control characters"),
}

SPLIT = {
    "a column missing": (table(lambda rows: rows.drop(columns="fold")), r"lacks the column\(s\) fold"),
    "an annotation twice": (table(lambda rows: pd.concat([rows, rows.head(1)])), "repeat an annotation_id: row 14"),
    "an annotation in two folds": (
        table(lambda rows: pd.concat([rows, rows.head(1).assign(fold="2")])),
        "repeat an annotation_id",
    ),
    "an annotation missing": (table(lambda rows: rows.iloc[1:]), r"1 annotation\(s\) .*have no fold: 100"),
    "a strange annotation": (cell("annotation_id", "7"), "are of no annotation in annotations.csv: row 2"),
    "a negative fold": (cell("fold", "-1"), "`fold` are not greater than or equal to 0"),
    "half a fold": (cell("fold", "0.5"), "`fold` are not a whole number"),
    "no fold": (cell("fold", ""), "`fold` are not a whole number of 64 bits: row 2 has ''"),
    "a fold of 2^64": (cell("fold", str(2**64)), "`fold` are not"),
    "a fold with a name": (cell("fold", "zero"), "`fold` are not a whole number of 64 bits: row 2 has 'zero'"),
    "NaN": (cell("fold", "nan"), "`fold` are not a whole number"),
    "another group": (cell("group", "99"), "have a `group` other than in annotations.csv: row 2"),
    "no group": (cell("group", ""), "`group` are not a text that is not empty"),
    "a group in two folds": (
        table(lambda rows: rows.assign(fold=["0", "1", "2"] * 4)),
        r"6 group\(s\) are in more than one fold: 0, 1, 2",
    ),
}


def images_in_two_groups(path: Path) -> None:
    """Groups that do not keep the ROIs of an image together, in both tables, and folds that follow these groups."""
    mixed = table(lambda rows: rows.assign(group=["a", "b"] * 6))
    mixed(path.parent / "crops/annotations.csv")
    mixed(path)
    table(lambda rows: rows.assign(fold=["0", "1"] * 6))(path)


SPLIT["an image in two folds"] = (images_in_two_groups, r"6 image\(s\) are in more than one fold: 0, 1, 2")

DESCRIPTION = {
    "a key missing": (document(lambda content: content.pop("square") and None), "`square` is missing"),
    "a key too many": (key(1, "colour"), "`colour` is not a key of this file"),
    "no views": (key([], "views"), "`views` is .*at least 1 item"),
    "a strange view": (key([1.0, "all"], "views"), "`views"),
    "a view of no size": (key([0, "frame"], "views"), "`views"),
    "views that are a text": (key("frame", "views"), "`views` is 'frame'"),
    "one view too many": (key([1.0, 3.0, "frame"], "views"), r"has the shape \(12, 2, .*expected \(12, 3, "),
    "a size of half a pixel": (key(16.5, "size"), "`size` is 16.5"),
    "a size in words": (key("16", "size"), "`size` is '16'"),
    "a true size": (key(True, "size"), "`size` is True"),
    "another size": (key(32, "size"), r"has the shape .*expected \(12, 2, 32, 32, 3\)"),
    "a size that no memory holds": (key(10**30, "size"), "`size` is 1000"),
    "square in words": (key("yes", "square"), "`square` is 'yes'"),
    "strange padding": (key("none", "padding"), "`padding` is 'none', expected 'edge' or 'mean'"),
    "padding that is null": (key(None, "padding"), "`padding` is null"),
    "fewer rows": (key(11, "rois"), r"annotations.csv: has 12 row\(s\), but crops.json counts 11"),
    "no rows": (key(0, "rois"), "`rois` is 0"),
    "another sum": (key("0" * 64, "pixels_sha256"), "pixels.npy: differs from what the crop stage wrote"),
    "an edit under the old seal": (
        document(lambda content: content | {"square": False}, resealed=False),
        "changed since it was written",
    ),
    "a seal that is null": (document(lambda content: content | {"sha256": None}, resealed=False), "changed since"),
    "a sum that is none": (key("abc", "annotations_sha256"), "`annotations_sha256` is 'abc'"),
}

PIXELS = UNUSABLE | {
    "empty": (holds(""), "not an .npy file of numbers, or cut short"),
    "text": (holds("not numbers at all"), "not an .npy file of numbers, or cut short"),
    "cut in the header": (cut(0.001), "not an .npy file of numbers, or cut short"),
    "cut in half": (cut(0.5), "not an .npy file of numbers, or cut short"),
    "too long": (appended("x"), "differs from what the crop stage wrote"),
    "a pickle": (
        lambda path: np.save(path, np.array([{"a": print}], dtype=object), allow_pickle=True),
        "not an .npy file of numbers",
    ),
    "an archive": (is_an_archive, "not an .npy file of numbers"),
    "floats": (array(lambda pixels: pixels / 255), "holds float64 in C order, expected uint8"),
    "signed": (array(lambda pixels: pixels.astype(np.int8)), "holds int8"),
    "big-endian": (array(lambda pixels: pixels.astype(">u2")), "holds >u2 in C order, expected uint8"),
    "truth values": (array(lambda pixels: pixels > 9), "holds bool"),
    "in Fortran order": (array(np.asfortranarray), "holds uint8 in Fortran order, expected uint8 in C order"),
    "not square": (array(lambda pixels: pixels[:, :, :, :15]), r"has the shape \(12, 2, 16, 15, 3\), expected \(12, 2"),
    "grey": (array(lambda pixels: pixels[..., :1]), r"has the shape \(12, 2, 16, 16, 1\)"),
    "without rows": (array(lambda pixels: pixels[:0]), r"(has the shape \(0, 2|not an .npy file)"),
    "a row too many": (array(lambda pixels: np.concatenate([pixels, pixels[:1]])), r"has the shape \(13, 2"),
    "a row too few": (array(lambda pixels: pixels[1:]), r"has the shape \(11, 2"),
    "flat": (array(np.ravel), r"has the shape \(18432,\)"),
    "a number": (array(lambda _: np.uint8(7)), r"(has the shape \(\)|not an .npy file)"),
    "rows reversed": (array(lambda pixels: pixels[::-1].copy()), "differs from what the crop stage wrote"),
    "a bit flipped": (flipped_bit, "differs from what the crop stage wrote, by its SHA-256 sum"),
    "a version from the future": (
        lambda path: holds(b"\x93NUMPY\x09\x00" + path.read_bytes()[8:])(path),
        "not an .npy file of numbers",
    ),
    "a header that is no Python": (header("{'descr': '|u1', (((("), "not an .npy file of numbers"),
    "a header of another kind": (header("[1, 2]"), "not an .npy file of numbers"),
    "a negative shape": (header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2)}"), "not an .npy file"),
    "an endless shape": (
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (9" + "9" * 30 + ",)}"),
        "not an .npy",
    ),
    "a shape in words": (header("{'descr': '|u1', 'fortran_order': False, 'shape': 'all'}"), "not an .npy file"),
    "a strange type": (header("{'descr': ['a', 1], 'fortran_order': False, 'shape': (1,)}"), "not an .npy file"),
    "a header of Python 2": (
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (1L,)}"),
        "(not an|has the shape)",
    ),
    "floats under a forged seal": (sealed(array(lambda pixels: pixels / 255)), "holds float64"),
    "a row too few under a forged seal": (sealed(array(lambda pixels: pixels[1:])), r"has the shape \(11, 2"),
}

SEALED_TABLE = {
    "rows reversed": (table(lambda rows: rows.iloc[::-1]), "annotations.csv: differs from what the crop stage wrote"),
    "a label changed": (cell("label", "Bluefish"), "annotations.csv: differs from what the crop stage wrote"),
    "a box moved": (cell("x", "1.25"), "annotations.csv: differs from what the crop stage wrote"),
    "a line end changed": (lambda path: holds(path.read_text().replace("\n", "\r\n"))(path), "differs from what"),
    "a row too few": (table(lambda rows: rows.iloc[1:]), r"annotations.csv: has 11 row\(s\), but crops.json counts 12"),
    "a row too few under a forged seal": (sealed(table(lambda rows: rows.iloc[1:])), r"has 11 row\(s\)"),
}


def entry(**values: object) -> Callable[[Path], None]:
    """The entry of one concept has other values."""
    return document(lambda content: content["concepts"]["Redfish"].update(values))


TAXONOMY = {
    "no hash": (document(lambda content: content.pop("hash") and None), "expected the keys hash and concepts"),
    "a hash that is a number": (key(7, "hash"), "`hash` is 7, expected a text"),
    "a hash that is a list": (key([1], "hash"), r"`hash` is \[1\], expected a text"),
    "another hash": (key("\x1b[2J", "hash"), "the file was edited"),
    "concepts that are null": (key(None, "concepts"), "`concepts` is null, expected an object"),
    "concepts that are a list": (key([], "concepts"), r"`concepts` is \[\], expected an object"),
    "no concepts": (key({}, "concepts"), r"`concepts` is \{\}, expected an object"),
    "an entry that is a list": (key(["Animalia"], "concepts", "Redfish"), "'Redfish' is .*expected the keys"),
    "an entry that is null": (key(None, "concepts", "Redfish"), "'Redfish' is null, expected the keys"),
    "an empty entry": (key({}, "concepts", "Redfish"), "'Redfish' lacks accepted_name"),
    "a key too many": (entry(colour="red"), "has colour"),
    "a key of two lines": (entry(**{"a\nb": 1}), r"has a\\nb"),
    "a concept without a name": (key({}, "concepts", ""), "concept '' lacks"),
    "a concept that commands the terminal": (
        document(lambda content: content["concepts"].update({"\x1b[2J": content["concepts"]["Redfish"]})),
        "a name has control characters",
    ),
    "a name that is a list": (entry(accepted_name=["Redfish"]), r"`accepted_name` is \['Redfish'\], expected a text"),
    "a rank that is a number": (entry(genus=7), "`genus` is 7, expected a name or null"),
    "a rank that is true": (entry(family=True), "`family` is True, expected a name or null"),
    "a rank that is an object": (entry(order={}), "`order` is {}, expected a name or null"),
    "a name with a control character": (entry(family="Seba\x07stidae"), "a name has control characters"),
    "a name that is turned around": (entry(family="Seba\u202estidae"), "a name has control characters"),
    "a name of spaces": (entry(family=" "), "a name is empty or has spaces around it"),
    "a true AphiaID": (entry(aphia_id=True), "`aphia_id` is True, expected a positive integer"),
    "a float AphiaID": (entry(aphia_id=1.0), "`aphia_id` is 1.0, expected a positive integer"),
    "a huge AphiaID": (entry(aphia_id=10**400), "`aphia_id` is 1000.*…, expected a positive integer"),
    "an AphiaID in words": (entry(aphia_id="12"), "`aphia_id` is '12', expected a positive integer"),
    "a strange origin": (entry(origin="hearsay"), "`origin` is 'hearsay', expected one of"),
    "an origin that is a list": (entry(origin=[]), r"`origin` is \[\], expected a text"),
    "a rank above its own name": (entry(rank="genus"), "its rank is genus"),
    "a name at two places": (entry(phylum="Porifera"), "stands at two places"),
    "another place": (entry(species="Redfish", genus=None), "the file was edited"),
}

HISTORY = {
    "an epoch missing": (table(lambda rows: rows.iloc[[0, 2]]), "are not the epochs 1, 2, 3 … in order: row 3"),
    "epochs from 0": (table(lambda rows: rows.assign(epoch=["0", "1", "2"])), "are not the epochs 1, 2, 3 …"),
    "half an epoch": (cell("epoch", "1.5"), "`epoch` are not a whole number"),
    "NaN": (cell("validation_mhd", ""), "`validation_mhd` are not a finite number: row 2 has ''"),
    "a negative distance": (cell("validation_mhd", "-1"), "`validation_mhd` are not greater than or equal to 0"),
    "infinity": (cell("train_loss", "inf"), "`train_loss` are not a finite number: row 2 has 'inf'"),
    "a loss in words": (cell("train_loss", "low"), "`train_loss` are not a finite number: row 2 has 'low'"),
}

DATASET = {
    "no annotations": (document(lambda content: content.pop("annotations") and None), "`annotations` is missing"),
    "annotations that are null": (key(None, "annotations"), "`annotations` is a NoneType, expected a list"),
    "an annotation that is null": (key([None], "annotations"), "are not JSON objects"),
    "a category without a name": (key([{"id": 1}, {"id": 2}], "categories"), "lack a readable `name`"),
    "an id that is a float": (key([{"id": 0.5}], "images"), "neither integers nor decimal strings"),
}


MODEL = {
    "a newer format": (key(2, "format"), "`format` is 2"),
    "a key too many": (key(1, "surplus"), "`surplus` is not a key of this file"),
    "no architecture": (document(lambda content: content.pop("architecture") and None), "`architecture` is missing"),
    "no classes": (key([], "classes"), r"`classes` has 0 names"),
    "a class too few": (key(["Bluefish"], "classes"), r"`classes` has 1 names, 1 of them different; expected 2"),
    "a class twice": (key(["Bluefish", "Bluefish"], "classes"), r"`classes` has 2 names, 1 of them different"),
    "a class of no taxonomy": (key(["Bluefish", "Nemo"], "classes"), "`classes` has Nemo, which the taxonomy lacks"),
    "classes as numbers": (key([1, 2], "classes"), "`classes.0` is 1"),
    "classes as a text": (key("ab", "classes"), "`classes` is 'ab'"),
    "classes that changed places": (
        document(lambda content: content | {"classes": content["classes"][::-1]}, resealed=False),
        "changed since it was written",
    ),
    "a standard deviation of 0": (key([0.0, 0.5, 0.5], "architecture", "std"), "`architecture.std.0` is 0.0"),
    "a negative standard deviation": (key([0.5, -1.0, 0.5], "architecture", "std"), "`architecture.std.1` is -1.0"),
    "two channels": (key([0.5, 0.5], "architecture", "std"), "`architecture.std"),
    "a mean in words": (key("grey", "architecture", "mean"), "`architecture.mean` is 'grey'"),
    "pictures of no size": (key(0, "architecture", "image_size"), "`architecture.image_size` is 0"),
    "pictures of half a pixel": (key(16.5, "architecture", "image_size"), "`architecture.image_size` is 16.5"),
    "pictures larger than the crops": (key(64, "architecture", "image_size"), "`architecture` takes views of 64 px"),
    "another number of views": (key(3, "architecture", "views"), "`preprocessing` has 2 views; expected 3"),
    "an unknown fusion": (key("mean", "architecture", "fusion"), "`architecture.fusion` is 'mean'"),
    "an unknown backbone": (key("resnet_51", "architecture", "backbone"), "train.backbone is 'resnet_51'"),
    "options that load a file": (
        key({"checkpoint_path": "/etc/passwd"}, "architecture", "backbone_options"),
        "train.backbone_options has checkpoint_path",
    ),
    "options in a list": (key([], "architecture", "backbone_options"), "`architecture.backbone_options"),
    "a million classes": (key(10**6, "architecture", "classes"), "expected 1000000"),
    "a view of no size": (key([0.0, "frame"], "preprocessing", "views"), "`preprocessing.views.0"),
    "unknown padding": (key("mirror", "preprocessing", "padding"), "`preprocessing.padding` is 'mirror'"),
    "square as a number": (key(1, "preprocessing", "square"), "`preprocessing.square` is 1"),
    "another taxonomy": (key("0" * 64, "taxonomy_hash"), "trained with taxonomy 000000000000"),
    "the sum of other weights": (key("0" * 64, "weights_sha256"), "its SHA-256 is not the recorded one"),
    "unknown precision": (key("int8", "precision"), "`precision` is 'int8'"),
}

WEIGHTS = {
    "missing": (missing, "cannot be read: No such file"),
    "a folder": (is_a_folder, "cannot be read: Is a directory"),
    "empty": (holds(""), "its SHA-256 is not the recorded one"),
    "cut in half": (cut(0.5), "its SHA-256 is not the recorded one"),
    "a byte too many": (appended("x"), "its SHA-256 is not the recorded one"),
    "NaN under a forged seal": (forged_weights(lambda tensors: tensors["head.bias"].fill_(float("nan"))), "not finite"),
    "infinity under a forged seal": (
        forged_weights(lambda tensors: tensors["head.weight"][0].fill_(float("inf"))),
        "not finite",
    ),
    "a tensor too few under a forged seal": (forged_weights(lambda tensors: tensors.pop("head.bias")), "Error"),
    "text under a forged seal": (forged(holds("weights")), "; run `dvc repro --force train`"),
}

CALIBRATION = {
    "a decoder that there is not": (key("magic", "decoder"), "`decoder` is 'magic'"),
    "candidates that there are not": (key("trees", "candidates"), "`candidates` is 'trees'"),
    "a temperature of nearly 0": (key(1e-300, "temperature"), "`temperature` is 1e-300"),
    "a temperature of 0": (key(0, "temperature"), "`temperature` is 0"),
    "a huge temperature": (key(1e300, "temperature"), r"`temperature` is 1e\+300"),
    "a negative temperature": (key(-1.0, "temperature"), "`temperature` is -1.0"),
    "no temperature": (key(None, "temperature"), "`temperature` is null"),
    "a temperature in words": (key("1.5", "temperature"), "`temperature` is '1.5'"),
    "a threshold above 1": (key(2.0, "thresholds", "genus"), "`thresholds.genus` is 2.0"),
    "a rank too few": (document(lambda content: content["thresholds"].pop("genus") and None), "expected exactly"),
    "a rank too many": (key(0.5, "thresholds", "tribe"), "expected exactly kingdom"),
    "no transform": (key([], "transforms"), "`transforms` is .*at least 1 item"),
    "a transform twice": (key(["identity"] * 2, "transforms"), "expected names of identity"),
    "a transform that there is not": (key(["sideways"], "transforms"), "expected names of identity"),
    "an empty fallback": (key("", "fallback"), "`fallback` is ''"),
    "a key too many": (key(1, "surplus"), "`surplus` is not a key of this file"),
    "a key too few": (document(lambda content: content.pop("fallback") and None), "`fallback` is missing"),
}


def cases() -> Iterator[Case]:
    for file, read, kinds in [
        ("crops/annotations.csv", annotations_of, NO_CSV | ANNOTATIONS),
        ("crops/annotations.csv", crops_of, SEALED_TABLE),
        ("crops/crops.json", crops_of, STRICT_JSON | DESCRIPTION),
        ("crops/pixels.npy", crops_of, PIXELS),
        ("split.csv", split_of, NO_CSV | SPLIT),
        ("taxonomy_reference.json", taxonomy_of, STRICT_JSON | TAXONOMY),
        ("fold-0/history.csv", history_of, NO_CSV | HISTORY),
        ("dataset.json", dataset_of, NO_JSON | DATASET),
        ("fold-0/model.json", model_of, STRICT_JSON | MODEL),
        ("fold-0/model.safetensors", model_of, WEIGHTS),
        ("calibration.json", rule_of, STRICT_JSON | CALIBRATION),
    ]:
        for name, (damage, says) in kinds.items():
            yield Case(file, name, damage, read, says)


@pytest.mark.parametrize(
    "read", [annotations_of, crops_of, split_of, taxonomy_of, history_of, dataset_of, model_of, rule_of]
)
def test_the_files_are_read_as_long_as_nobody_touches_them(intact, read):
    assert read(intact) is not None


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_a_crafted_file_is_refused_by_name_in_one_line(world, case):
    case.damage(world / case.file)
    with pytest.raises(InputError, match=case.says) as raised:
        case.read(world)
    message = str(raised.value)
    assert message.startswith(str(world / case.file).rpartition("/")[0]), "the message begins with the file"
    assert message.isprintable(), "one line, without control characters"
    assert "; " in message, "and a remedy"


@pytest.mark.parametrize("read", [annotations_of, split_of])
def test_a_byte_order_mark_does_no_harm(world, read):
    """Spreadsheets write one."""
    for file in ("crops/annotations.csv", "split.csv"):
        (world / file).write_bytes(b"\xef\xbb\xbf" + (world / file).read_bytes())
    assert read(world)["annotation_id"].tolist() == list(range(100, 100 + ROIS))
