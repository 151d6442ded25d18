"""Reads CSV and workbooks of exports as another program would, independent of the writer."""

import csv
import io
import re

import openpyxl

SEPARATORS = {"en": ",", "fr": ";"}


def undone(cell):
    """Removes the guard by the rule of docs/files.md."""
    return re.sub(r"(^|[,;\t\r\n])'", r"\1", cell)


def rows(content, locale):
    """Returns the header and the rows without the guard."""
    assert content.startswith(b"\xef\xbb\xbf"), content[:20]
    text = content.decode("utf-8-sig")
    assert text.endswith("\r\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[locale], strict=True)
    header, *cells = reader
    return header, [[undone(cell) for cell in row] for row in cells]


def raw_rows(content, locale):
    """Returns the rows as a spreadsheet reads them, with the guard."""
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[locale], strict=True))[1:]


def workbook(content):
    """Returns the facts of a workbook's first sheet, by their labels, and the sheet of activities that the workbook opens on."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    summary, log = book.worksheets[0], book.active
    assert summary is not log and log is book.worksheets[1]
    return {label.value: fact.value for label, fact in summary.iter_rows(max_col=2) if label.value}, log


# Indexes of the columns of an activity.
DATE, CUSTOMER, ACTION, USER, STATUS, REASON, TARGET, CHANGES, DETAILS, CUSTOMER_ID, ACTOR_ID, ROLE, ADDRESS = range(13)
TARGET_TYPE, TARGET_ID, ACTION_ID, SUBSCRIPTION_IDS, CORRELATION_ID, SOURCE, ACTIVITY_ID, OCCURRED_AT, RECORDED_AT = range(13, 22)
COLUMNS = 22
