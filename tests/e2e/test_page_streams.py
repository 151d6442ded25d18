"""Streams on the page: list, form, test, replay, secret, role, removal, and who has this view.

States that take days come from the stand-in below. The last tests use the real routes and a real server as the destination."""

import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from test_page_list import host
from test_page_oversight import ANA, at, focused, open_view, refusal
from test_page_schedules import RAW
from test_page_states import Look, live

from api import batches, eventually, new_activity, now, rfc3339
from browser import LAYOUT_FAULTS, NEEDED, PASSWORD, SAYS, TRIED_LANGUAGES, hosted_sign_in, recent, shown, sign_in, tab_to, violations
from receiver import Receiver

pytestmark = NEEDED

WORDS = {
    "en": {
        "streams": "Streams",
        "new": "New stream",
        "save": "Save",
        "saved": "Saved.",
        "cancel": "Cancel",
        "missing": "Fill this in.",
        "url": "Give a public address that begins with https://.",
        "header": "The header “Host” cannot be sent.",
        "line": "Line 2 has no header.",
        "moved": "The URL leads to another server.",
        "bus": "Give the ARN of an event bus of your own account",
        "role": "Give the ARN of a role of your own account",
        "bucket": "Give the name of a bucket of your own",
        "prefix": "Give a prefix such as logs/daybook/",
        "guide": "Let your role trust",
        "up_to_date": "Up to date",
        "behind": "3 days behind",
        "gave_up": "Every attempt of 72 hours failed. Correct the destination, then resume the stream. Nothing is lost.",
        "gone": "The destination answered that it is gone.",
        "next": "Next attempt on",
        "paused": "Paused",
        "pause": "Pause",
        "resume": "Resume",
        "change": "Change",
        "test": "Send a test",
        "refused": "The test did not arrive: HTTP 503",
        "replay": "Replay",
        "again": "Send again",
        "begun": "The replay begins within a minute.",
        "so_far": "1,204 activities so far",
        "ended": "The replay has finished: 2,000 activities.",
        "secret": "Signing secret",
        "policies": "Role and policies",
        "remove": "Remove…",
        "remove_now": "Remove now",
        "removed": "“SIEM” was removed.",
        "full": "There are ten streams",
    },
    "fr": {
        "streams": "Flux",
        "new": "Nouveau flux",
        "save": "Enregistrer",
        "saved": "Enregistré.",
        "cancel": "Annuler",
        "missing": "À renseigner.",
        "url": "Indiquez une adresse publique commençant par https://.",
        "header": "L’en-tête «\u00a0Host\u00a0» ne peut pas être envoyé.",
        "line": "La ligne 2 ne contient pas d’en-tête.",
        "moved": "L’URL mène à un autre serveur.",
        "bus": "Indiquez l’ARN d’un bus d’événements de votre propre compte",
        "role": "Indiquez l’ARN d’un rôle de votre propre compte",
        "bucket": "Indiquez le nom d’un de vos compartiments",
        "prefix": "Indiquez un préfixe comme logs/daybook/",
        "guide": "Faites en sorte que votre rôle",
        "up_to_date": "À jour",
        "behind": "En retard de 3 jours",
        "gave_up": "Toutes les tentatives ont échoué pendant 72 heures. Corrigez la destination, puis reprenez le flux. Rien n’est perdu.",
        "gone": "La destination a répondu qu’elle n’existe plus.",
        "next": "Prochaine tentative le",
        "paused": "En pause",
        "pause": "Mettre en pause",
        "resume": "Reprendre",
        "change": "Modifier",
        "test": "Envoyer un test",
        "refused": "Le test n’est pas arrivé\u00a0: HTTP 503",
        "replay": "Renvoyer",
        "again": "Renvoyer maintenant",
        "begun": "Le renvoi commence dans la minute.",
        "so_far": "1\u202f204 activités pour l’instant",
        "ended": "Le renvoi est terminé\u00a0: 2\u202f000 activités.",
        "secret": "Secret de signature",
        "policies": "Rôle et politiques",
        "remove": "Supprimer…",
        "remove_now": "Supprimer maintenant",
        "removed": "«\u00a0SIEM\u00a0» a été supprimé.",
        "full": "Il y a dix flux",
    },
}
ROLE = "arn:aws:iam::210987654321:role/partners/daybook-stream"
BUS = "arn:aws:events:eu-west-3:210987654321:event-bus/security"
HTTPS = {"kind": "https", "url": "https://siem.contoso.example/daybook/events", "framing": "lines", "header_names": ["authorization", "x-team"]}
BUCKET = {"kind": "s3", "bucket": "contoso-activity", "prefix": "logs/daybook/", "role_arn": ROLE}
BRIDGE = {"kind": "eventbridge", "bus_arn": BUS, "role_arn": ROLE}
FAILED = {"at": at(minutes=-3), "detail": "HTTP 503", "status": 503}
GAVE_UP = 'Every attempt of 72 hours has failed. Correct the destination, then resume the stream with "paused": false.'
GONE = 'The destination has answered that it is gone. Correct the destination, then resume the stream with "paused": false.'
CANNOT = "Another request changes the stream. Send the same request again."


def state(status="active", **fields):
    return {
        "status": status, "delivered_through": at(minutes=-2), "lag_seconds": 0, "last_success_at": at(minutes=-2), "last_error": None, "attempts": 0,
        "next_try_at": None, "stopped_at": None, "stopped_because": None,
    } | fields  # fmt: skip


def stopped(because):
    return state("stopped", stopped_at=at(minutes=-3), stopped_because=because, last_error=FAILED, lag_seconds=3 * 86_400 + 7_000, attempts=400)


def failing(**fields):
    return state("failing", last_error=FAILED, next_try_at=at(minutes=9), lag_seconds=180, attempts=7, **fields)


def stream(name="SIEM", destination=HTTPS, **fields):
    """Returns a stream as the API answers it."""
    return {
        "id": f"01STREAM{name.upper()}", "partner_id": "p", "name": name, "destination": destination, "format": "daybook", "filters": {}, "mask": [],
        "details": False, "paused": False, "source": "activities", "external_id": f"x-{name}",
        "service_role_arn": "arn:aws:iam::111122223333:role/streamer", "state": state(), "replay": None,
        "created_at": at(days=-9), "created_by": ANA, "updated_at": at(days=-9), "updated_by": ANA,
    } | fields  # fmt: skip


def four():
    """Returns a stream in each state and of each kind."""
    return [
        stream(filters={"status": ["failed"], "customer": ["!fabrikam"]}, mask=["actor.ip", "target.name"], format="ocsf"),
        stream("Lake", BUCKET, paused=True, state=state("paused", lag_seconds=7_300), details=True),
        stream("Rules", BRIDGE, state=failing()),
        stream("Chat", HTTPS | {"framing": "slack", "header_names": []}, state=stopped(GAVE_UP)),
    ]


class StandIn:
    """Answers for the routes of streams. `requests` keeps what the page has asked, and `refuse` what the next request of a kind gets."""

    def __init__(self, page, streams=()):
        self.requests, self.refuse, self.streams, self.outcome = [], {}, list(streams), None
        page.route(re.compile(r"/v1/partners/[^/]+/streams\b"), self.answer)

    def answer(self, route):
        method = route.request.method
        id, _, action = urlsplit(route.request.url).path.split("/streams")[1].strip("/").partition("/")
        body = route.request.post_data_json if route.request.post_data else None
        self.requests.append((method, action or ("one" if id else "all"), body))
        if refused := self.refuse.pop(method, None):
            status, problem = refused
            return route.fulfill(status=status, content_type="application/problem+json", body=json.dumps(problem))
        if method == "GET" and not id:
            return route.fulfill(json={"streams": self.streams})
        if method == "POST" and not id:
            self.streams.append(stream(**self.named(body)) | {"id": f"01NEW{len(self.streams)}"})
            return route.fulfill(status=201, json=self.streams[-1])
        [found] = [each for each in self.streams if each["id"] == id]
        if method == "DELETE":
            self.streams.remove(found)
            return route.fulfill(status=204)
        if action == "secret":
            return route.fulfill(json={"secret": "whsec_c2VjcmV0", "created_at": at(days=-9)})
        before = json.loads(json.dumps(found))
        if action == "test":
            # The outcome is there with the next answer.
            found["state"] = found["state"] | (self.outcome or {"last_success_at": at()})
            return route.fulfill(status=202, json=before)
        if action == "replay":
            period = {"from": f"{body['from']}T00:00:00Z", "to": f"{body.get('to', '2026-11-30')}T00:00:00Z"}
            found["replay"] = period | {"done_through": period["from"], "activities": 0, "requested_at": at(), "finished_at": None}
            return route.fulfill(status=202, json=found)
        found |= self.named(body)
        if "paused" in body:
            found["state"] = state("paused" if body["paused"] else "active")
        return route.fulfill(json=found)

    def named(self, body):
        """Returns the members of a request as an answer has them: headers by their names only."""
        body = json.loads(json.dumps(body))
        if "filters" in body:
            body["filters"] = body["filters"] or {}
        if body.get("destination", {}).get("kind") == "https":
            body["destination"]["header_names"] = sorted(name.lower() for name in body["destination"].pop("headers", None) or {})
        return body

    def sent(self, method, what):
        return [body for way, which, body in self.requests if (way, which) == (method, what)]


def rows(page):
    return page.locator("activity-log .streams tbody tr")


def row(page, name):
    return rows(page).filter(has=page.locator("strong", has_text=re.compile(f"^{name}$")))


def press(page, key, name, says):
    """Presses a button of a stream."""
    page.get_by_role("button", name=re.compile(f"^{re.escape(says[key])}\\s?: {name}$")).click()


def control(page, name):
    return page.locator(f"activity-log .records form [name={name}]")


def opened(window, stack, user, language="en", streams=(), query="", **options):
    """Opens the view on a stand-in, and returns the page and the stand-in."""
    page = window(language, **options)
    stand_in = StandIn(page, streams)
    sign_in(page, stack, user, language, query=query)
    shown(page)
    open_view(page, "streams")
    page.get_by_role("button", name=WORDS[language]["new"]).or_(page.get_by_text(WORDS[language]["full"])).first.wait_for()
    return page, stand_in


def fill(page, **values):
    for name, value in values.items():
        place = control(page, name)
        if place.evaluate("element => element.tagName") == "SELECT":
            place.select_option(value)
        else:
            place.fill(value)


# Every state


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_state_of_streams_is_accessible(window, stack, person, partner, language):
    page = window(language)
    page.clock.install()
    stand_in, look, says = StandIn(page), Look(page), WORDS[language]
    sign_in(page, stack, person(partner), language)
    shown(page)
    open_view(page, "streams")
    page.get_by_role("button", name=says["new"]).wait_for()
    # Exports and saved views are about the log.
    assert not page.locator("activity-log .export").is_visible() and not page.locator("activity-log .open-views").is_visible()
    look("no stream")
    stand_in.streams = four()
    open_view(page, "log")
    open_view(page, "streams")
    rows(page).nth(3).wait_for()
    look("streams in each state")
    texts = [" ".join(each.inner_text().split()) for each in rows(page).all()]
    plain = lambda text: " ".join(text.split())
    assert says["up_to_date"] in texts[0] and "authorization, x-team" in texts[0] and "OCSF" in texts[0]
    assert says["paused"] in texts[1] and "contoso-activity/logs/daybook/" in texts[1]
    assert says["next"] in texts[2] and "HTTP 503" in texts[2] and BUS in texts[2]
    assert says["gave_up"] in texts[3] and says["behind"] in texts[3] and "Slack" in texts[3]

    page.get_by_role("button", name=says["new"]).click()
    assert focused(page) == says["new"]
    look("new stream to a server")
    page.get_by_role("button", name=says["save"], exact=True).click()
    page.get_by_text(says["missing"]).wait_for()
    assert page.evaluate("document.querySelector('activity-log').shadowRoot.activeElement.name") == "name"
    look("stream without a name")
    for kind in ("eventbridge", "s3"):
        fill(page, kind=kind)
        assert not control(page, "url").is_visible() and control(page, "role_arn").is_visible()
        look(f"new stream to {kind}")
    fill(page, name="Second lake", bucket="contoso-archive", role_arn=ROLE)
    page.get_by_role("button", name=says["save"], exact=True).click()
    page.get_by_text(says["guide"]).wait_for()
    look("role and policies")

    press(page, "replay", "SIEM", says)
    look("replay to ask for")
    fill(page, **{"from": {"en": "1/10/2026", "fr": "01/10/2026"}[language], "to": {"en": "31/10/2026", "fr": "31/10/2026"}[language]})
    page.get_by_role("button", name=says["again"]).click()
    live(page, says["begun"])
    assert stand_in.sent("POST", "replay") == [{"from": "2026-10-01", "to": "2026-10-31", "time_zone": "Europe/Paris"}]
    stand_in.streams[0]["replay"] |= {"done_through": "2026-10-16T00:00:00Z", "activities": 1_204}
    page.clock.fast_forward(5_000)
    rows(page).first.get_by_text(plain(says["so_far"])).wait_for()
    assert rows(page).first.locator("progress").get_attribute("value") == "0.5"
    look("replay under way")
    stand_in.streams[0]["replay"] |= {"done_through": "2026-10-31T00:00:00Z", "activities": 2_000, "finished_at": at()}
    page.clock.fast_forward(10_000)
    live(page, says["ended"])
    look("replay finished")

    stand_in.outcome = {"last_error": FAILED | {"at": at()}}
    press(page, "test", "SIEM", says)
    page.clock.fast_forward(2_000)
    live(page, says["refused"])
    look("test refused")
    press(page, "secret", "SIEM", says)
    page.get_by_role("button", name=SAYS[language]["reveal"]).click()
    page.locator("activity-log .secret code").wait_for()
    look("secret shown")
    # The secret is hidden again when the person leaves the view.
    open_view(page, "log")
    assert page.locator("activity-log .secret code").count() == 0
    open_view(page, "streams")
    press(page, "remove", "SIEM", says)
    look("removal to confirm")
    stand_in.refuse["DELETE"] = refusal(409, CANNOT)
    page.get_by_role("button", name=says["remove_now"]).click()
    live(page, CANNOT, "alert")
    look("removal refused")
    page.get_by_role("button", name=says["remove_now"]).click()
    live(page, says["removed"])
    open_view(page, "log")
    stand_in.streams += [stream(f"N{number}") for number in range(6)]
    stand_in.refuse["GET"] = refusal(503)
    open_view(page, "streams")
    page.get_by_role("alert").get_by_role("button", name=SAYS[language]["again"]).click()
    page.get_by_text(says["full"]).wait_for()
    look("ten streams")
    assert len(look.seen) == 15


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_streams_are_readable_at_every_width(window, stack, person, partner, language):
    streams = four()
    streams[0]["replay"] = {"from": at(days=-9), "to": at(), "done_through": at(days=-3), "activities": 1_204, "requested_at": at(), "finished_at": None}
    page, _ = opened(window, stack, person(partner), language, streams, reduced_motion="reduce")
    page.get_by_role("button", name=WORDS[language]["new"]).click()
    for kind in ("https", "s3"):
        fill(page, kind=kind)
        for width in range(1920, 319, -80):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(LAYOUT_FAULTS) == [], (kind, width)


def test_view_of_streams_contains_no_visible_text(window, stack, person, partner):
    """In a test language every text is in brackets, so text without brackets is written in the code."""
    page = window("en")
    StandIn(page, four())

    def bracketed(route):
        text = re.sub(r"^([a-zA-Z]\w*) = (.+)$", r"\1 = ⟦\2⟧", route.fetch().text(), flags=re.M)
        text = re.sub(r"(\[(?:one|other)\]) (.+)$", r"\1 ⟦\2⟧", text, flags=re.M)
        route.fulfill(body=text, content_type="text/plain; charset=utf-8")

    # Destinations answer in words of their own.
    raw = RAW.replace("tbody th'", "tbody th, .streams [lang]'")
    page.route(re.compile(r"/en(\.[0-9a-f]+)?\.ftl$"), bracketed)
    page.goto(stack["portal_url"])
    page.get_by_role("button", name="⟦Sign in⟧").click()
    hosted_sign_in(page, person(partner))
    page.get_by_role("button", name="⟦Streams⟧").click()
    rows(page).nth(3).wait_for()
    page.get_by_role("button", name="⟦⟦Role and policies⟧: Lake⟧").click()
    page.get_by_text("⟦External ID⟧").wait_for()
    assert page.evaluate(raw) == []
    page.get_by_role("button", name="⟦New stream⟧").click()
    assert page.evaluate(raw) == []


# The form


@pytest.mark.parametrize(
    "fields, destination",
    [
        (
            {"kind": "https", "url": "https://siem.contoso.example/", "framing": "splunk_hec", "headers": "Authorization: Splunk a:b \n\nX-Team:red"},
            {"kind": "https", "url": "https://siem.contoso.example/", "framing": "splunk_hec", "headers": {"Authorization": "Splunk a:b", "X-Team": "red"}},
        ),
        ({"kind": "eventbridge", "bus_arn": f" {BUS}", "role_arn": ROLE}, BRIDGE),
        ({"kind": "s3", "bucket": "contoso-activity", "prefix": "logs/daybook/", "role_arn": ROLE}, BUCKET),
        ({"kind": "s3", "bucket": "contoso-activity", "role_arn": ROLE}, BUCKET | {"prefix": ""}),
    ],
    ids=["https", "eventbridge", "s3", "without-prefix"],
)
def test_stream_is_created_as_the_form_says(window, stack, person, partner, fields, destination):
    page, stand_in = opened(window, stack, person(partner))
    page.get_by_role("button", name="New stream").click()
    fill(page, name=" Security team ", format="ocsf", **fields)
    form = page.get_by_role("form", name="New stream")
    for label in ("User: Name", "IP address", "Include details"):
        form.get_by_label(label, exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    live(page, "Saved.")
    assert stand_in.sent("POST", "all") == [
        {"name": "Security team", "destination": destination, "format": "ocsf", "details": True, "paused": False, "mask": ["actor.name", "actor.ip"]}
    ]
    # Only the names of headers are shown.
    text = rows(page).first.inner_text()
    assert "Splunk a:b" not in text and ("authorization, x-team" in text) == ("headers" in fields)
    # Who has set up no role yet is told how.
    assert page.get_by_text("Let your role trust").is_visible() == (fields["kind"] != "https")


def test_role_guide_has_policies_to_copy(window, stack, person, partner):
    page, _ = opened(window, stack, person(partner), streams=four())
    for name, action, resource in (("Lake", "s3:PutObject", "arn:aws:s3:::contoso-activity/logs/daybook/*"), ("Rules", "events:PutEvents", BUS)):
        press(page, "policies", name, WORDS["en"])
        for title, statement in (
            ("Trust policy of the role", {
                "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": f"x-{name}"}},
            }),
            ("Permission of the role", {"Effect": "Allow", "Action": action, "Resource": resource}),
        ):  # fmt: skip
            page.get_by_role("button", name=f"Copy: {title}").click()
            live(page, "Copied.")
            copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
            assert copied == {"Version": "2012-10-17", "Statement": [statement]}
        page.get_by_role("button", name="Close", exact=True).click()
        assert focused(page) == f"Role and policies: {name}"
    assert not page.get_by_role("button", name="Role and policies: SIEM").is_visible()


def test_change_sends_what_is_changed(window, stack, person, partner):
    page, stand_in = opened(window, stack, person(partner), streams=four())

    def change(which, **fields):
        press(page, "change", which, WORDS["en"])
        fill(page, **fields)
        page.get_by_role("button", name="Save", exact=True).click()
        row(page, fields.get("name", which)).get_by_role("status").filter(has_text="Saved.").wait_for()
        return stand_in.sent("PATCH", "one")[-1]

    kept = {key: value for key, value in HTTPS.items() if key != "header_names"}
    assert change("SIEM") == {}
    # Headers that nobody writes again stay, and a stopped stream is not resumed by the way.
    assert change("SIEM", framing="array") == {"destination": kept | {"framing": "array"}}
    assert change("Chat", name="Talk") == {"name": "Talk"}
    page.get_by_role("button", name="Resume: Talk").wait_for()
    assert change("SIEM", headers="X-Team: blue") == {"destination": kept | {"framing": "array", "headers": {"X-Team": "blue"}}}
    press(page, "change", "SIEM", WORDS["en"])
    page.get_by_text("Kept: x-team.").wait_for()
    page.get_by_label("Remove the kept headers").check()
    page.get_by_label("Paused", exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    row(page, "SIEM").get_by_role("status").filter(has_text="Saved.").wait_for()
    assert stand_in.sent("PATCH", "one")[-1] == {"destination": kept | {"framing": "array", "headers": None}, "paused": True}
    assert "Paused" in row(page, "SIEM").inner_text()


def test_stream_takes_filters_of_the_log_and_of_saved_views(window, stack, person, partner):
    partner.record([recent(), recent(status="failed")])
    page = window("en")
    stand_in = StandIn(page, [stream(filters={"status": ["failed"]})])
    sign_in(page, stack, person(partner), query="?customer=fabrikam&q=renewal")
    shown(page)
    page.locator("activity-log .open-views").click()
    page.locator("activity-log .views-dialog input").first.fill("Renewals")
    page.locator("activity-log .views-dialog .primary").click()
    page.keyboard.press("Escape")
    page.locator("activity-log .chip").first.click()
    shown(page)
    open_view(page, "streams")
    press(page, "change", "SIEM", WORDS["en"])
    offered = control(page, "filters").locator("option").all_inner_texts()
    assert offered[:2] == ["All activities", "Status: Failed"] and offered[2].startswith("As in the log now: ") and offered[3].startswith("Renewals: ")
    for choice, filters in ((3, {"customer": ["fabrikam"], "q": "renewal"}), (0, None)):
        control(page, "filters").select_option(index=choice)
        page.get_by_role("button", name="Save", exact=True).click()
        live(page, "Saved.")
        assert stand_in.sent("PATCH", "one")[-1] == {"filters": filters}
        stand_in.streams[0]["filters"] = {"status": ["failed"]}
        open_view(page, "log")
        open_view(page, "streams")
        press(page, "change", "SIEM", WORDS["en"])


# Polling


def test_page_asks_while_a_stream_fails_and_is_seen(window, stack, person, partner):
    page = window("en")
    page.clock.install()
    stand_in = StandIn(page, [stream(state=failing())])
    sign_in(page, stack, person(partner))
    shown(page)
    open_view(page, "streams")
    rows(page).first.wait_for()
    asked = lambda: len(stand_in.sent("GET", "all"))
    first = asked()
    page.clock.fast_forward(2_000)
    eventually(lambda: asked() > first or page.wait_for_timeout(20), "the page asks again")
    # Nobody asks for what nobody sees.
    open_view(page, "log")
    page.wait_for_timeout(200)
    before = asked()
    page.clock.run_for(60_000)
    assert asked() == before
    open_view(page, "streams")
    stand_in.streams[0]["state"] = state()
    page.clock.run_for(30_000)
    live(page, "Active")
    page.wait_for_timeout(200)
    before = asked()
    page.clock.run_for(60_000)
    assert asked() == before


def test_test_without_an_outcome_ends(window, stack, person, partner):
    page = window("en")
    page.clock.install()
    stand_in = StandIn(page, [stream()])
    stand_in.outcome = {"attempts": 0}
    sign_in(page, stack, person(partner))
    shown(page)
    open_view(page, "streams")
    press(page, "test", "SIEM", WORDS["en"])
    live(page, "Sending a test…")
    button = page.get_by_role("button", name="Send a test: SIEM")
    assert button.get_attribute("aria-disabled") == "true"
    page.clock.run_for(70_000)
    live(page, "There is no answer to the test yet.")
    assert button.get_attribute("aria-disabled") is None


# By keyboard


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_stream_is_created_and_removed_by_keyboard(window, stack, person, partner, language):
    page = window(language)
    stand_in, says = StandIn(page), WORDS[language]
    sign_in(page, stack, person(partner), language, keyboard=True)
    shown(page)
    tab_to(page, says["streams"])
    page.keyboard.press("Enter")
    page.get_by_role("button", name=says["new"]).wait_for()
    tab_to(page, says["new"])
    page.keyboard.press("Enter")
    tab_to(page, {"en": "Name", "fr": "Nom"}[language])
    page.keyboard.type("SIEM")
    tab_to(page, "URL")
    page.keyboard.type("https://siem.contoso.example/")
    page.keyboard.press("Enter")
    live(page, says["saved"])
    assert focused(page) == says["saved"] and stand_in.streams[0]["name"] == "SIEM"
    tab_to(page, says["remove"])
    page.keyboard.press("Enter")
    # The question has the focus, and the next stop is its button.
    tab_to(page, says["cancel"], most=5)
    page.keyboard.press("Enter")
    assert page.locator("activity-log .question").count() == 0 and stand_in.streams
    tab_to(page, says["remove"])
    page.keyboard.press("Enter")
    tab_to(page, says["remove_now"], most=5)
    page.keyboard.press("Enter")
    live(page, says["removed"])
    assert focused(page) == says["removed"] and stand_in.streams == []


# Who has this view


@pytest.mark.parametrize("role", ["global_admin", "admin_agent", "billing_admin", "user_management_admin", "sales_agent", "helpdesk_agent"])
def test_those_who_may_save_the_schedule_have_streams(window, stack, person, partner, role):
    page = window("en")
    stand_in = StandIn(page, [stream()])
    sign_in(page, stack, person(partner, role), query="?view=streams")
    if role in ("global_admin", "admin_agent", "billing_admin"):
        rows(page).first.wait_for()
        return
    shown(page)
    open_view(page, "exports")
    page.locator("activity-log .exports").get_by_role("heading", name="Exports on request").wait_for()
    # Refusals are recorded, so the page asks for nothing that it knows to be refused.
    assert stand_in.requests == [] and not page.locator("activity-log [data-view=streams]").is_visible()


@pytest.mark.parametrize("status", [403, 404])
def test_view_ends_when_the_streams_are_refused(window, stack, person, partner, status):
    page = window("en")
    stand_in = StandIn(page)
    stand_in.refuse["GET"] = refusal(status)
    sign_in(page, stack, person(partner), query="?view=streams")
    page.locator("activity-log .view .count").wait_for()
    page.get_by_role("button", name="Streams", exact=True).wait_for(state="hidden")
    assert [kind for _, kind, _ in stand_in.requests] == ["all"]


def test_component_of_one_customer_has_no_streams(window, stack, person, partner, elsewhere):
    import tokens

    page = window("en")
    stand_in = StandIn(page)
    page.goto(host(elsewhere, stack, f'partner="{partner.name}" customer="fabrikam"', tokens.of_person(stack, person(partner), PASSWORD)))
    shown(page)
    page.wait_for_timeout(200)
    assert stand_in.requests == [] and not page.get_by_role("button", name="Streams", exact=True).is_visible()


def test_person_of_some_customers_has_no_streams(window, stack, person, partner):
    page = window("en")
    stand_in = StandIn(page)
    page.route(re.compile(r"/config\.json$"), lambda route: route.fulfill(json=route.fetch().json() | {"customers_claim": "name"}))
    sign_in(page, stack, person(partner), query="?view=streams")
    shown(page)
    assert stand_in.requests == [] and not page.get_by_role("button", name="Streams", exact=True).is_visible()


@pytest.mark.parametrize("view, script", [("streams", "streams"), ("audit", "audit"), ("data", "policies")])
def test_script_of_a_view_is_loaded_when_the_view_opens(window, stack, person, partner, view, script):
    page = window("en")
    StandIn(page)
    loaded = []
    page.on("request", lambda request: loaded.append(urlsplit(request.url).path.rsplit("/", 1)[-1]))
    sign_in(page, stack, person(partner))
    shown(page)
    page.locator(f"activity-log [data-view={view}]").wait_for()
    named = re.compile(rf"^{script}\.[0-9a-f]{{16}}\.js$")
    assert not any(map(named.match, loaded))
    page.route(re.compile(rf"/{script}\.[0-9a-f]+\.js$"), lambda route: route.abort(), times=1)
    open_view(page, view)
    live(page, "No connection to the service.", "alert")
    # What the browser says of the request that the test has broken.
    window.complaints.clear()
    page.get_by_role("button", name="Try again").click()
    page.locator("activity-log h2:visible").first.wait_for()
    assert any(map(named.match, loaded))


# With the real routes


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.stop()


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_faults_of_the_service_are_at_their_fields(window, stack, person, partner, language):
    """The service's own faults, so that no field has another name there than on the page."""
    says = WORDS[language]
    page = window(language)
    sign_in(page, stack, person(partner), language)
    shown(page)
    open_view(page, "streams")
    page.get_by_role("button", name=says["new"]).click()
    save = page.get_by_role("button", name=says["save"], exact=True)

    def refused(*faults, **fields):
        fill(page, **fields)
        save.click()
        page.get_by_text(faults[0][1]).wait_for()
        wrong = page.locator("activity-log [aria-invalid=true]")
        assert [each.get_attribute("name") for each in wrong.all()] == [name for name, _ in faults]
        for name, text in faults:
            assert text in page.locator(f"activity-log [data-fault={name}]").inner_text()
            assert control(page, name).evaluate(
                "element => element.getAttribute('aria-describedby').split(' ').some((id) => element.getRootNode().getElementById(id).textContent)"
            )
        assert page.evaluate("document.querySelector('activity-log').shadowRoot.activeElement.name") == faults[0][0]

    refused(("name", says["missing"]), url="https://10.0.0.1/")
    refused(("url", says["url"]), name="SIEM", url="https://169.254.169.254/")
    refused(("headers", says["line"]), url="https://siem.contoso.example/", headers="X-Team: red\nsecret")
    refused(("url", says["url"]), ("headers", says["header"]), url="ftp://siem.contoso.example/", headers="Host: example.com")
    refused(("bus_arn", says["bus"]), ("role_arn", says["role"]), kind="eventbridge", bus_arn="arn:aws:sqs:eu-west-3:210987654321:queue", role_arn="role")
    account = {"kind": "s3", "bucket": "Contoso_Activity", "prefix": "/logs", "role_arn": ROLE.replace(":role/", ":user/")}
    refused(("bucket", says["bucket"]), ("prefix", says["prefix"]), ("role_arn", says["role"]), **account)
    assert partner.caller.get(f"{partner.path}/streams").json() == {"streams": []}
    # Headers stay with their server.
    stream = partner.caller.post(
        f"{partner.path}/streams", json={"name": "SIEM", "destination": {"kind": "https", "url": "https://siem.contoso.example/", "headers": {"X-Key": "k"}}}
    )
    assert stream.status_code == 201, stream.text
    open_view(page, "log")
    open_view(page, "streams")
    press(page, "change", "SIEM", says)
    refused(("headers", says["moved"]), url="https://other.contoso.example/")


def test_stream_is_tested_replayed_stopped_and_removed(window, stack, person, partner, receiver, aws):
    sent = [new_activity(occurred_at=rfc3339(now() - timedelta(days=2, minutes=number))) for number in range(20)]
    for batch in batches(sent):
        partner.record(batch)
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    open_view(page, "streams")
    page.get_by_role("button", name="New stream").click()
    fill(page, name="SIEM", url=receiver.url, headers="X-Key: k-1")
    page.get_by_role("button", name="Save", exact=True).click()
    says = WORDS["en"]
    one = row(page, "SIEM")
    one.get_by_text("x-key").wait_for()
    assert "k-1" not in page.get_by_role("region", name="Streams").inner_text()

    press(page, "test", "SIEM", says)
    live(page, "The destination accepted the test")
    assert receiver.accepted[-1].headers["x-key"] == "k-1" and len(receiver.accepted) == 1
    receiver.status = lambda: 503
    press(page, "test", "SIEM", says)
    live(page, re.compile("The test did not arrive: .*503"))

    def run():
        """Runs what is due, as the schedule does every minute."""
        aws("lambda").invoke(FunctionName=stack["functions"]["streamer"], Payload=b"{}")

    def replay():
        press(page, "replay", "SIEM", says)
        fill(page, **{"from": (now() - timedelta(days=4)).strftime("%Y-%m-%d")})
        page.get_by_role("button", name="Send again").click()
        live(page, "The replay begins within a minute.")

    receiver.status = lambda: 204
    replay()
    finished = page.get_by_role("status").filter(has_text="The replay has finished: 20 activities.")
    eventually(lambda: run() or finished.is_visible() or page.wait_for_timeout(1_000), "the replay has finished")
    assert {each["id"] for each in receiver.activities()} >= {each["id"] for each in sent}

    # A destination that is gone stops the stream at once.
    receiver.status = lambda: 410
    replay()
    eventually(lambda: run() or says["gone"] in one.inner_text() or page.wait_for_timeout(1_000), "the stream has stopped")
    assert not page.get_by_role("button", name="Replay: SIEM").is_visible()
    assert violations(page) == []
    receiver.status = lambda: 204
    press(page, "resume", "SIEM", says)
    live(page, "Active")
    eventually(lambda: run() or finished.is_visible() or page.wait_for_timeout(1_000), "the replay goes on")
    press(page, "pause", "SIEM", says)
    live(page, "Paused")
    [saved] = partner.caller.get(f"{partner.path}/streams").json()["streams"]
    assert saved["paused"] and saved["destination"]["header_names"] == ["x-key"]

    press(page, "secret", "SIEM", says)
    page.get_by_role("button", name="Show the secret").click()
    secret = partner.caller.get(f"{partner.path}/streams/{saved['id']}/secret").json()["secret"]
    assert page.locator("activity-log .secret code").inner_text() == secret
    for name in ("Hide", "Replace the secret…", "Replace now"):
        page.get_by_role("button", name=name, exact=True).click()
    fresh = lambda: partner.caller.get(f"{partner.path}/streams/{saved['id']}/secret").json()["secret"]
    eventually(lambda: fresh() != secret or page.wait_for_timeout(500), "the secret is replaced")
    eventually(lambda: page.locator("activity-log .secret code").inner_text() == fresh() or page.wait_for_timeout(500), "the new secret is shown")
    press(page, "remove", "SIEM", says)
    page.get_by_role("button", name="Remove now").click()
    live(page, "“SIEM” was removed.")
    assert partner.caller.get(f"{partner.path}/streams").json() == {"streams": []}
