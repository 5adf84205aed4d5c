"""Damage to the files of crops and to split.csv, and the messages expected."""

import numpy as np
import pandas as pd

from tests.crafted.any_file import UNUSABLE
from tests.crafted.damage import (
    appended,
    array,
    cell,
    cut,
    document,
    flipped_bit,
    header,
    holds,
    is_an_archive,
    key,
    sealed,
    table,
)

ANNOTATIONS = {
    "a column missing": (table(lambda rows: rows.drop(columns="frame_id")), r"lacks the column\(s\) frame_id"),
    "an id twice": (cell("annotation_id", "101"), r"1 row\(s\) repeat an annotation_id, expected each once: 101"),
    "an id of 2^63": (cell("annotation_id", str(2**63)), "`annotation_id` should be .*row 2 has 9223372036854775808"),
    "a float id": (cell("annotation_id", "100.0"), "`annotation_id` should be a 64-bit integer.*row 2 has '100.0'"),
    "an id of Arabic digits": (cell("image_id", "٣"), "`image_id` should be a 64-bit integer"),
    "an empty id": (cell("image_id", "", 3), "`image_id` should be a 64-bit integer: row 5 has ''"),
    "NaN": (cell("x", "nan"), "`x` should be a finite number: row 2 has 'nan'"),
    "infinity": (cell("w", "inf"), "`w` should be a finite number"),
    "a number that overflows": (cell("h", "1e999"), "`h` should be a finite number"),
    "a negative width": (cell("w", "-8"), "`w` should be greater than 0"),
    "no height": (cell("h", "0"), "`h` should be greater than 0"),
    "a negative corner": (cell("y", "-0.5"), "`y` should be greater than or equal to 0"),
    "a box beyond its frame": (cell("x", "33"), r"1 row\(s\) have a box that extends beyond its frame: row 2"),
    "a frame without pixels": (cell("frame_w", "0"), "`frame_w` should be greater than or equal to 1"),
    "a frame of half a pixel": (cell("frame_h", "30.5"), "`frame_h` should be a 64-bit integer"),
    "a path out of the folder": (cell("path", "../../../etc/passwd"), r"have a `path` other than .*: row 2"),
    "an absolute path": (cell("path", "/etc/passwd"), "have a `path` other than"),
    "another ROI's path": (cell("path", "rois/0_101.png"), "have a `path` other than"),
    "an empty path": (cell("path", ""), "`path` should be non-empty text"),
    "no frame": (cell("frame_id", ""), "`frame_id` should be a 64-bit integer"),
    "no label": (cell("label", ""), r"1 row\(s\) of the training subset have no label: row 2"),
    "a label with a terminal command": (cell("label", "\x1b[2J"), r"`label` should be .*row 2 has '\\x1b\[2J'"),
    "a label of two lines": (cell("label", "Red\nfish"), r"`label` should be text without control characters"),
}


SPLIT = {
    "a column missing": (table(lambda rows: rows.drop(columns="fold")), r"lacks the column\(s\) fold"),
    "an annotation twice": (table(lambda rows: pd.concat([rows, rows.head(1)])), "repeat an annotation_id: row 14"),
    "an annotation in two folds": (
        table(lambda rows: pd.concat([rows, rows.head(1).assign(fold="2")])),
        "repeat an annotation_id",
    ),
    "an annotation missing": (table(lambda rows: rows.iloc[1:]), r"1 annotation\(s\) .*have no fold: 100"),
    "an unknown annotation": (cell("annotation_id", "7"), "match no annotation in annotations.csv: row 2"),
    "a negative fold": (cell("fold", "-1"), "`fold` should be greater than or equal to 0"),
    "half a fold": (cell("fold", "0.5"), "`fold` should be a 64-bit integer"),
    "no fold": (cell("fold", ""), "`fold` should be a 64-bit integer: row 2 has ''"),
    "a fold of 2^64": (cell("fold", str(2**64)), "`fold` should be"),
    "a fold with a name": (cell("fold", "zero"), "`fold` should be a 64-bit integer: row 2 has 'zero'"),
    "NaN": (cell("fold", "nan"), "`fold` should be a 64-bit integer"),
    "no group": (cell("group", ""), "`group` should be non-empty text"),
    "a group in two folds": (
        table(lambda rows: rows.assign(fold=["0", "1", "2"] * 4)),
        r"6 group\(s\) are in more than one fold: 0, 1, 2",
    ),
}


SPLIT["a frame in two folds"] = (
    table(lambda rows: rows.assign(group=["a", "b"] * 6, fold=["0", "1"] * 6)),
    r"6 frame\(s\) are in more than one fold: 0, 1, 2",
)


CROPS_JSON = {
    "a key missing": (document(lambda content: content.pop("square") and None), "`square` is missing"),
    "a key too many": (key(1, "colour"), "`colour` is not a key of this file"),
    "no views": (key([], "views"), "`views` is .*at least 1 item"),
    "an unknown view": (key([1.0, "all"], "views"), "`views"),
    "a view of no size": (key([0, "frame"], "views"), "`views"),
    "views that are a text": (key("frame", "views"), "`views` is 'frame'"),
    "one view too many": (key([1.0, 3.0, "frame"], "views"), r"has the shape \(12, 2, .*expected \(12, 3, "),
    "a size of half a pixel": (key(16.5, "size"), "`size` is 16.5"),
    "a size as a text": (key("16", "size"), "`size` is '16'"),
    "a size that is true": (key(True, "size"), "`size` is True"),
    "another size": (key(32, "size"), r"has the shape .*expected \(12, 2, 32, 32, 3\)"),
    "a size that no memory holds": (key(10**30, "size"), "`size` is 1000"),
    "square as a text": (key("yes", "square"), "`square` is 'yes'"),
    "unknown padding": (key("none", "padding"), "`padding` is 'none', expected 'edge' or 'mean'"),
    "padding that is null": (key(None, "padding"), "`padding` is null"),
    "fewer rows": (key(11, "rois"), r"annotations.csv: has 12 row\(s\), but crops.json says 11"),
    "no rows": (key(0, "rois"), r"has 12 row\(s\), but crops.json says 0"),
    "another sum": (key("0" * 64, "pixels_sha256"), "pixels.npy: changed since the crop stage wrote it"),
    "an edit under the old seal": (
        document(lambda content: content | {"square": False}, resealed=False),
        "changed since it was written",
    ),
    "a seal that is null": (document(lambda content: content | {"sha256": None}, resealed=False), "changed since"),
    "an invalid sum": (key("abc", "annotations_sha256"), "`annotations_sha256` is 'abc'"),
}


PIXELS = UNUSABLE | {
    "empty": (holds(""), "not an .npy file of numbers, or truncated"),
    "text": (holds("not numbers at all"), "not an .npy file of numbers, or truncated"),
    "cut in the header": (cut(0.001), "not an .npy file of numbers, or truncated"),
    "cut in half": (cut(0.5), "not an .npy file of numbers, or truncated"),
    "too long": (appended("x"), "changed since the crop stage wrote it"),
    "a pickle": (
        lambda path: np.save(path, np.array([{"a": print}], dtype=object), allow_pickle=True),
        "not an .npy file of numbers",
    ),
    "an archive": (is_an_archive, "not an .npy file of numbers"),
    "floats": (array(lambda pixels: pixels / 255), "holds float64 in C order, expected uint8"),
    "signed": (array(lambda pixels: pixels.astype(np.int8)), "holds int8"),
    "big-endian": (array(lambda pixels: pixels.astype(">u2")), "holds >u2 in C order, expected uint8"),
    "booleans": (array(lambda pixels: pixels > 9), "holds bool"),
    "in Fortran order": (array(np.asfortranarray), "holds uint8 in Fortran order, expected uint8 in C order"),
    "not square": (array(lambda pixels: pixels[:, :, :, :15]), r"has the shape \(12, 2, 16, 15, 3\), expected \(12, 2"),
    "grey": (array(lambda pixels: pixels[..., :1]), r"has the shape \(12, 2, 16, 16, 1\)"),
    "without rows": (array(lambda pixels: pixels[:0]), r"(has the shape \(0, 2|not an .npy file)"),
    "a row too many": (array(lambda pixels: np.concatenate([pixels, pixels[:1]])), r"has the shape \(13, 2"),
    "a row too few": (array(lambda pixels: pixels[1:]), r"has the shape \(11, 2"),
    "flat": (array(np.ravel), r"has the shape \(18432,\)"),
    "a number": (array(lambda _: np.uint8(7)), r"(has the shape \(\)|not an .npy file)"),
    "rows reversed": (array(lambda pixels: pixels[::-1].copy()), "changed since the crop stage wrote it"),
    "a bit flipped": (flipped_bit, r"changed since the crop stage wrote it \(its SHA-256 differs\)"),
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
    "an invalid type": (header("{'descr': ['a', 1], 'fortran_order': False, 'shape': (1,)}"), "not an .npy file"),
    "a header of Python 2": (
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (1L,)}"),
        "(not an|has the shape)",
    ),
    "floats under a forged seal": (sealed(array(lambda pixels: pixels / 255)), "holds float64"),
    "a row too few under a forged seal": (sealed(array(lambda pixels: pixels[1:])), r"has the shape \(11, 2"),
}


SEALED_TABLE = {
    "rows reversed": (table(lambda rows: rows.iloc[::-1]), "annotations.csv: changed since the crop stage wrote it"),
    "a label changed": (cell("label", "Bluefish"), "annotations.csv: changed since the crop stage wrote it"),
    "a box moved": (cell("x", "1.25"), "annotations.csv: changed since the crop stage wrote it"),
    "a line end changed": (
        lambda path: holds(path.read_text().replace("\n", "\r\n"))(path),
        "changed since the crop stage",
    ),
    "a row too few": (table(lambda rows: rows.iloc[1:]), r"annotations.csv: has 11 row\(s\), but crops.json says 12"),
    "a row too few under a forged seal": (sealed(table(lambda rows: rows.iloc[1:])), r"has 11 row\(s\)"),
}
