"""Damage that applies to every file of a kind."""

import pandas as pd

from tests.crafted.damage import (
    DEEP,
    appended,
    cut,
    holds,
    in_utf_16,
    is_a_folder,
    is_a_loop,
    missing,
    repeated_first_key,
    table,
)

UNUSABLE = {
    "missing": (missing, "no such file"),
    "a folder": (is_a_folder, "cannot be read.*Is a directory"),
    "a link to itself": (is_a_loop, "cannot be read.*Too many levels of symbolic links"),
}


NO_CSV = UNUSABLE | {
    "empty": (holds(""), "not a CSV"),
    "binary": (holds(b"\x00\xff\xfe\x93" * 99), "not a CSV in UTF-8"),
    "in UTF-16": (in_utf_16, "not a CSV in UTF-8"),
    "another table": (holds("a,b\n1,2\n"), "lacks the column"),
    "without rows": (table(lambda rows: rows.head(0)), "no rows, expected at least one"),
    "a repeated column": (table(lambda rows: pd.concat([rows, rows.iloc[:, :1]], axis=1)), "header repeats the column"),
    "a row longer than the header": (appended("," * 20 + "\n"), "not a CSV, or a row"),
    "an unclosed quote": (appended('"'), "not a CSV, or a row"),
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
    "a repeated key": (repeated_first_key, r"repeats the key\(s\)"),
    "NaN": (holds('{"views": NaN}'), "NaN is not a valid JSON number"),
    "a number that overflows": (holds('{"views": 1e999}'), "1e999 is not a valid JSON number"),
    "a number of 5,000 digits": (holds('{"views": ' + "9" * 5000 + "}"), "4300 digits"),
    "half a surrogate pair": (holds(r'{"views": "\ud800"}'), "surrogates not allowed"),
    "with a byte order mark": (holds(b"\xef\xbb\xbf{}"), "BOM"),
}
