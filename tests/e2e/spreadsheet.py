"""Reads a CSV export as a program would, with Python's own reader: nothing here knows how the file was written."""

import csv
import io

SEPARATORS = {"en": ",", "fr": ";"}


def rows(content, locale):
    """The header and the rows, with the guard undone: one leading apostrophe goes from each cell that starts with one."""
    assert content.startswith(b"\xef\xbb\xbf"), content[:20]
    text = content.decode("utf-8-sig")
    assert text.endswith("\r\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[locale], strict=True)
    header, *cells = reader
    return header, [[cell.removeprefix("'") for cell in row] for row in cells]


def raw_rows(content, locale):
    """The rows as a spreadsheet is given them, guard included."""
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[locale], strict=True))[1:]


# The order of columns.
DATE, CUSTOMER, ACTION, USER, STATUS, TARGET, DETAILS, CUSTOMER_ID, ACTOR_ID, ACTION_ID, ACTIVITY_ID, OCCURRED_AT = range(12)
