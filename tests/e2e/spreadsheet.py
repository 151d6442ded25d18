"""Reads a CSV export as another program would: with Python's reader, independent of the writer."""

import csv
import io

SEPARATORS = {"en": ",", "fr": ";"}


def rows(content, locale):
    """Returns the header and the rows without the guard: the first apostrophe of a cell is removed."""
    assert content.startswith(b"\xef\xbb\xbf"), content[:20]
    text = content.decode("utf-8-sig")
    assert text.endswith("\r\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[locale], strict=True)
    header, *cells = reader
    return header, [[cell.removeprefix("'") for cell in row] for row in cells]


def raw_rows(content, locale):
    """Returns the rows as a spreadsheet reads them, with the guard."""
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[locale], strict=True))[1:]


# Indexes of the columns.
DATE, CUSTOMER, ACTION, USER, STATUS, TARGET, DETAILS, CUSTOMER_ID, ACTOR_ID, ACTION_ID, ACTIVITY_ID, OCCURRED_AT = range(12)
