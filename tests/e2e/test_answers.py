"""Answers and requests at the size that Lambda carries, and downloads that are resumed."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from api import ALL_OF_2024, Partner, compact, is_problem, new_activity

# The most bytes of a body, as the functions count it: inside a JSON string.
MOST = 6_000_000


def counted(body):
    """Returns the bytes of a body inside the JSON that Lambda receives, quotes included."""
    return len(json.dumps(body, ensure_ascii=False).encode())


def full_of_quotes(quotes):
    return new_activity(details={"text": '"' * quotes})


@pytest.fixture(scope="module")
def near_the_limit():
    """An activity that is just small enough for a request, and too large for an answer."""
    least = full_of_quotes(0)
    quotes = (MOST - counted(compact(least))) // 4
    return least | {"details": {"text": '"' * quotes}}


@pytest.fixture(scope="module")
def book(operator, names, near_the_limit):
    """A partner with that activity, and the answer to its recording."""
    partner = Partner(operator, names()).register()
    partner.answer = partner.send(near_the_limit)
    return partner


def test_details_that_do_not_fit_are_answered_with_their_address(book, near_the_limit):
    assert book.answer.status_code == 201, book.answer.text[:500]
    shown = json.loads(book.show(near_the_limit))
    for answer in (book.answer.json(), shown):
        assert answer["details"] is None
        assert answer["details_size"] == len(compact(near_the_limit["details"]).encode())
    redirect = book.caller.get(shown["details_url"])
    assert redirect.status_code == 303, redirect.text
    assert parse_qs(urlsplit(redirect.headers["Location"]).query)["X-Amz-Expires"] == ["300"]
    # The link needs no token.
    file = requests.get(redirect.headers["Location"], timeout=60)
    assert file.status_code == 200 and file.headers["Content-Type"] == "application/json"
    assert "attachment" in file.headers["Content-Disposition"]
    assert file.json() == near_the_limit["details"]
    as_json = book.caller.get(shown["details_url"], params={"redirect": "false"}).json()
    assert requests.get(as_json["url"], timeout=60).content == file.content
    head = book.caller.request("HEAD", shown["details_url"])
    size = requests.head(head.headers["Location"], timeout=60)
    assert size.status_code == 200 and int(size.headers["Content-Length"]) == shown["details_size"]


def test_list_announces_details_of_any_size(book, near_the_limit):
    [listed] = book.all(**ALL_OF_2024)
    assert listed["id"] == near_the_limit["id"] and "details" not in listed


@pytest.mark.parametrize("quotes", [1_500_001, 5 * 1024 * 1024 // 2 - 10])
def test_request_is_refused_when_its_quotes_count_too_much(partner, quotes):
    problem = is_problem(partner.send(full_of_quotes(quotes)), 413, "too-large")
    assert "counts twice" in problem["detail"]
    assert partner.ids(**ALL_OF_2024) == []


def test_details_of_5_mib_without_quotes_are_answered_whole(partner):
    sent = new_activity(details={"text": "x" * (5 * 1024 * 1024 - 11)})
    assert partner.send(sent).json()["details"] == sent["details"]
    assert json.loads(partner.show(sent))["details"] == sent["details"]


@pytest.fixture(scope="module")
def export(operator, names):
    """A partner, an export of some rows, and the bytes of its file."""
    partner = Partner(operator, names()).register()
    partner.record([new_activity(id=f"d-{number:03}") for number in range(50)])
    export = partner.export(**ALL_OF_2024)
    return partner, export, partner.download(export)


def test_download_resumes_through_a_new_link(export):
    partner, ready, whole = export
    name, half = ready["files"][0]["name"], len(whole) // 2
    begun = requests.get(partner.link(ready, name), headers={"Range": f"bytes=0-{half - 1}"}, timeout=60)
    assert begun.status_code == 206 and begun.content == whole[:half]
    # The first link has expired by now; a new one leads to the same file.
    rest = {"Range": f"bytes={half}-", "If-Match": begun.headers["ETag"]}
    again = partner.link(ready, name)
    resumed = requests.get(again, headers=rest, timeout=60)
    assert resumed.status_code == 206 and begun.content + resumed.content == whole
    assert resumed.headers["Content-Range"] == f"bytes {half}-{len(whole) - 1}/{len(whole)}"
    other = requests.get(again, headers=rest | {"If-Match": '"of-another-file"'}, timeout=60)
    assert other.status_code == 412


def test_head_of_a_file_leads_to_a_link_for_head(export):
    partner, ready, whole = export
    path = f"{partner.path}/exports/{ready['id']}/files/{ready['files'][0]['name']}"
    redirect = partner.caller.request("HEAD", path)
    assert (redirect.status_code, redirect.content) == (303, b"")
    link = redirect.headers["Location"]
    head = requests.head(link, timeout=60)
    assert head.status_code == 200 and int(head.headers["Content-Length"]) == len(whole)
    assert head.headers["ETag"] == requests.get(partner.link(ready, ready["files"][0]["name"]), timeout=60).headers["ETag"]
    assert requests.get(link, timeout=60).status_code == 403
    # The link as JSON is for a download.
    as_json = partner.caller.get(path, params={"redirect": "false"}).json()
    assert requests.get(as_json["url"], timeout=60).content == whole
