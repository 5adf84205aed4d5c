"""Damage to models, their history and the decision rule."""

from tests.crafted.damage import (
    appended,
    cell,
    cut,
    document,
    forged,
    forged_weights,
    holds,
    is_a_folder,
    key,
    missing,
    table,
)

HISTORY = {
    "an epoch missing": (table(lambda rows: rows.iloc[[0, 2]]), "are not the epochs 1, 2, 3 … in order: row 3"),
    "epochs from 0": (table(lambda rows: rows.assign(epoch=["0", "1", "2"])), "are not the epochs 1, 2, 3 …"),
    "a fractional epoch": (cell("epoch", "1.5"), "`epoch` should be a 64-bit integer"),
    "NaN": (cell("validation_mhd", ""), "`validation_mhd` should be a finite number: row 2 has ''"),
    "a negative distance": (cell("validation_mhd", "-1"), "`validation_mhd` should be greater than or equal to 0"),
    "infinity": (cell("train_loss", "inf"), "`train_loss` should be a finite number: row 2 has 'inf'"),
    "text for a loss": (cell("train_loss", "low"), "`train_loss` should be a finite number: row 2 has 'low'"),
}


MODEL = {
    "a newer format": (key(2, "format"), "`format` is 2"),
    "a key too many": (key(1, "surplus"), "`surplus` is not a key of this file"),
    "no architecture": (document(lambda content: content.pop("architecture") and None), "`architecture` is missing"),
    "no classes": (key([], "classes"), r"`classes` has 0 name\(s\)"),
    "a class too few": (key(["Bluefish"], "classes"), r"`classes` has 1 name\(s\), 1 of them distinct; expected 2"),
    "a class twice": (key(["Bluefish", "Bluefish"], "classes"), r"`classes` has 2 name\(s\), 1 of them distinct"),
    "a class of no taxonomy": (key(["Bluefish", "Nemo"], "classes"), "`classes` has Nemo, not in the taxonomy"),
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
    "pictures larger than the crops": (key(64, "architecture", "image_size"), "`architecture` expects views of 64 px"),
    "another number of views": (key(3, "architecture", "views"), r"`preprocessing` has 2 view\(s\); expected 3"),
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
    "one byte too many": (appended("x"), "its SHA-256 is not the recorded one"),
    "NaN with a forged checksum": (
        forged_weights(lambda tensors: tensors["head.bias"].fill_(float("nan"))),
        "not finite",
    ),
    "infinity with a forged checksum": (
        forged_weights(lambda tensors: tensors["head.weight"][0].fill_(float("inf"))),
        "not finite",
    ),
    "a missing tensor with a forged checksum": (forged_weights(lambda tensors: tensors.pop("head.bias")), "Error"),
    "text with a forged checksum": (forged(holds("weights")), "; run `dvc repro --force train`"),
}


CALIBRATION = {
    "an unknown decoder": (key("magic", "decoder"), "`decoder` is 'magic'"),
    "unknown candidates": (key("trees", "candidates"), "`candidates` is 'trees'"),
    "a temperature of nearly 0": (key(1e-300, "temperature"), "`temperature` is 1e-300"),
    "a temperature of 0": (key(0, "temperature"), "`temperature` is 0"),
    "a huge temperature": (key(1e300, "temperature"), r"`temperature` is 1e\+300"),
    "a negative temperature": (key(-1.0, "temperature"), "`temperature` is -1.0"),
    "no temperature": (key(None, "temperature"), "`temperature` is null"),
    "text for a temperature": (key("1.5", "temperature"), "`temperature` is '1.5'"),
    "a threshold above 1": (key(2.0, "thresholds", "genus"), "`thresholds.genus` is 2.0"),
    "a missing rank": (document(lambda content: content["thresholds"].pop("genus") and None), "expected exactly"),
    "an unknown rank": (key(0.5, "thresholds", "tribe"), "expected exactly kingdom"),
    "no transform": (key([], "transforms"), "`transforms` is .*at least 1 item"),
    "a repeated transform": (key(["identity"] * 2, "transforms"), "expected distinct names from identity"),
    "an unknown transform": (key(["sideways"], "transforms"), "expected distinct names from identity"),
    "an empty fallback": (key("", "fallback"), "`fallback` is ''"),
    "an unknown key": (key(1, "surplus"), "`surplus` is not a key of this file"),
    "a missing key": (document(lambda content: content.pop("fallback") and None), "`fallback` is missing"),
}
