"""Audit, retention, holds and erasures on the page, who has these views, and what a list says of erased activities.

States that take days, or that only an operator's order brings about, come from the stand-in below. The last tests use the real routes."""

import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from test_page_exports import answer_with, on_demand, open_exports
from test_page_list import host
from test_page_schedules import RAW
from test_page_states import Look, live
from test_page_tasks import Acts

from api import eventually, now, rfc3339
from browser import FOCUSED, NEEDED, PASSWORD, SAYS, TRIED_LANGUAGES, hosted_sign_in, recent, search, shown, sign_in, tab_to, violations

pytestmark = NEEDED

WORDS = {
    "en": {
        "audit": "Audit",
        "data": "Data and retention",
        "holds": "Legal holds",
        "erasures": "Erasures",
        "kept": "Activities are kept for 7 years.",
        "would_end": "Show what would end",
        "ends": "These months end: November 2020 to December 2020.",
        "cancel": "Cancel",
        "place": "Place a hold",
        "missing": "Fill this in.",
        "rest": "Hold the rest",
        "placed": "The hold is active.",
        "left_out": "Without January 2019: their deletion had begun.",
        "release": "Release…",
        "release_now": "Release now",
        "released": "The hold is released.",
        "count": "Count first",
        "confirm": "To confirm, type",
        "erase": "Erase for good",
        "running": "Erasure: In progress",
        "done": "Erasure: Completed",
        "erased": "Erased",
        "groups": "Erased: Target, Changes, Details, Reason",
        "own": "The exports that your account may download.",
    },
    "fr": {
        "audit": "Audit",
        "data": "Données et conservation",
        "holds": "Gels juridiques",
        "erasures": "Effacements",
        "kept": "Les activités sont conservées pendant 7 ans.",
        "would_end": "Voir les mois qui seraient échus",
        "ends": "Ces mois arrivent à échéance\u00a0: de novembre 2020 à décembre 2020.",
        "cancel": "Annuler",
        "place": "Mettre en place un gel",
        "missing": "À renseigner.",
        "rest": "Geler le reste",
        "placed": "Le gel est actif.",
        "left_out": "Sauf janvier 2019\u00a0: la suppression avait commencé.",
        "release": "Lever le gel…",
        "release_now": "Lever maintenant",
        "released": "Le gel est levé.",
        "count": "Compter d’abord",
        "confirm": "Pour confirmer, saisissez",
        "erase": "Effacer définitivement",
        "running": "Effacement\u00a0: En cours",
        "done": "Effacement\u00a0: Terminé",
        "erased": "Données effacées",
        "groups": "Effacé\u00a0: Cible, Modifications, Détails, Motif",
        "own": "Les exports que votre compte peut télécharger.",
    },
}
ANA = {"subject": "s-1", "name": "Ana Trujillo"}
ACTS = [
    ("log.read", "log", []),
    ("export.downloaded", "export", []),
    ("schedule.saved", "schedule", [{"field": "enabled", "old": False, "new": True}]),
    ("retention.saved", "retention", [{"field": "months", "old": None, "new": 84}]),
    ("access.refused", "route", []),
]


def at(**span):
    return rfc3339(now() + timedelta(**span))


def act(number, action, kind, changes):
    """Returns an entry of the audit as the API answers it."""
    refused = action == "access.refused"
    return {
        "id": f"e-{number}",
        "occurred_at": at(minutes=-number),
        "recorded_at": at(minutes=-number),
        "partner_id": "p",
        "action": action,
        "status": "declined" if refused else "succeeded",
        "actor": {"type": "user", "id": "s-1", "name": "Ana Trujillo", "role": "global_admin helpdesk_agent", "ip": "203.0.113.7"},
        "target": {"type": kind, "id": f"t-{number}"},
        "reason": "No role allows this." if refused else None,
        **({"changes": changes} if changes else {}),
    }


def refusal(status, detail="No.", pointer=None):
    errors = [{"pointer": pointer, "detail": detail}] if pointer else []
    return status, {"type": "about:blank", "title": "Refused", "status": status, "detail": detail, "trace_id": "1-5f84c7a7", "errors": errors}


class StandIn:
    """Answers for the routes of oversight. `requests` keeps what the page has asked, and `refuse` what the next request of a kind gets."""

    def __init__(self, page, may_change=True):
        self.requests, self.refuse, self.may_change = [], {}, may_change
        self.audit = [act(number, *ACTS[number % len(ACTS)]) for number in range(30)]
        self.retention = {
            "partner_id": "p", "months": 84, "is_default": False, "pending": {"months": 60, "effective_at": at(days=30)},
            "ended": [
                {"month": "2019-02", "ended_at": at(days=-3), "deletes_after": at(days=27)},
                {"month": "2019-03", "ended_at": at(days=-3), "deletes_after": at(days=27)},
            ],
            "deleting": ["2019-01"], "deleted": ["2018-10", "2018-11", "2018-12"], "updated_at": at(days=-3), "updated_by": ANA,
        }  # fmt: skip
        self.holds = [self.hold(["fabrikam", "tailspin"], ["2019-01"]), self.hold(None, id="h-all", **{"from": None})]
        self.erasures = [
            self.erasure("done", None, finished_at=at(days=-1)),
            # Counts are in the list too, and the page leaves them out.
            self.erasure("done", None, dry_run=True, groups=["target"]),
            self.erasure("held", {"customer": "fabrikam"}, created_at=at(days=-3)),
        ]
        page.route(re.compile(r"/v1/partners/[^/]+/(audit|retention|holds|erasures)\b"), self.answer)

    def hold(self, customers, left_out=(), **fields):
        return {
            "id": f"h-{len(self.requests)}", "status": "active", "from": "2018-12-31T23:00:00.000000Z", "to": "2019-12-31T23:00:00.000000Z",
            "customers": customers, "reason": "Fabrikam v. Tailspin", "left_out": list(left_out), "created_at": at(days=-9), "created_by": ANA,
            "released_at": None, "released_by": None,
        } | fields  # fmt: skip

    def erasure(self, status, selector, **fields):
        counts = {"activities": 1204, "held": 12, "mentions": 37, "exports": 3}
        return {
            "id": f"x-{status}-{len(self.requests)}", "status": status, "selector": selector, "groups": ["actor", "origin"], "reason": "Request 17",
            "dry_run": False, "counts": counts, "created_at": at(days=-2), "created_by": ANA, "finished_at": None,
        } | fields  # fmt: skip

    def answer(self, route):
        url, method = urlsplit(route.request.url), route.request.method
        kind, _, id = url.path.split("/v1/partners/")[1].partition("/")[2].partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = route.request.post_data_json if route.request.post_data else None
        self.requests.append((method, kind, body))
        if refused := self.refuse.pop((method, kind), None):
            status, problem = refused
            return route.fulfill(status=status, content_type="application/problem+json", body=json.dumps(problem))
        status, answer = getattr(self, f"on_{kind}")(method, id, query, body)
        return route.fulfill(status=status, json=answer) if answer is not None else route.fulfill(status=status)

    def on_audit(self, _method, _id, query, _body):
        found = [each for each in self.audit if query.get("q", "") in json.dumps(each)]
        period = {"from": at(days=-30), "to": at(), "time_zone": "UTC"}
        return 200, {"activities": found, "range": period, "complete_through": at(), "next_cursor": None}

    def on_retention(self, method, _id, query, body):
        if "dry_run" in query:
            ended = ["2020-11", "2020-12"] if body["months"] else []
            return 200, {"months": body["months"], "ended": ended, "rows": 12_345, "bytes": 34_567_890, "dollars": 0.0213, "exact": False}
        if method == "PUT":
            self.retention |= {"months": body["months"], "pending": None}
        return 200, self.retention | {"may_change": self.may_change}

    def on_holds(self, method, id, _query, body):
        if method == "POST":
            if not body["partial"]:
                return refusal(409, 'The deletion of 1 month(s) has begun: 2019-01; 1,204 activities or more are left there. Send "partial": true.')
            self.holds.insert(0, self.hold(body.get("customers"), ["2019-01"], **{name: body.get(name) for name in ("from", "to", "reason")}))
            return 201, self.holds[0]
        if method == "DELETE":
            [held] = [each for each in self.holds if each["id"] == id]
            held |= {"status": "released", "released_at": at(), "released_by": ANA}
            return 204, None
        return 200, {"holds": self.holds, "may_change": self.may_change}

    def on_erasures(self, method, id, _query, body):
        if id:
            return 200, next((each for each in self.erasures if each["id"] == id), self.erasure("done", None, dry_run=True))
        if method == "POST" and body["dry_run"]:
            # It is counted after the answer.
            return 202, self.erasure("pending", {"actor": "a"}, dry_run=True, counts=dict.fromkeys(("activities", "held", "mentions", "exports"), 0))
        if method == "POST":
            subject = next(name for name in ("actor", "customer", "target", "activities") if name in body)
            value = len(body[subject]) if subject == "activities" else body[subject]
            order = self.erasure("running", {subject: value}, groups=body["groups"], reason=body["reason"], created_at=at())
            self.erasures.insert(0, order)
            return 202, order
        return 200, {"erasures": self.erasures, "next_cursor": None, "may_change": self.may_change}

    def sent(self, method, kind):
        return [body for way, what, body in self.requests if (way, what) == (method, kind)]


def open_view(page, view):
    page.locator(f"activity-log [data-view={view}]").click()


def region(page, name):
    return page.get_by_role("region", name=name, exact=True)


def focused(page):
    return page.evaluate(FOCUSED)[0].strip()


# Every state


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_state_of_the_audit_is_accessible(window, stack, person, partner, language):
    page = window(language)
    stand_in, look, says = StandIn(page), Look(page), WORDS[language]
    sign_in(page, stack, person(partner), language)
    open_view(page, "audit")
    rows = page.locator("activity-log .audit tr.row")
    rows.nth(29).wait_for()
    # The audit knows no customers, and exports and saved views are about the log.
    assert page.locator("activity-log .audit thead").inner_text().count("\n") <= 3
    assert not page.locator("activity-log .export").is_visible() and not page.locator("activity-log .open-views").is_visible()
    look("audit")
    rows.nth(3).locator(".toggle").click()
    opened = page.locator("activity-log .audit tr.opened")
    assert re.search(r"months|84", opened.locator(".changes").inner_text(), re.IGNORECASE)
    assert opened.get_by_role("button", name={"en": "Copy link", "fr": "Copier le lien"}[language]).count() == 0
    look("open entry")
    search(page.locator("activity-log .audit"), "nothing has this", language)
    live(page, SAYS[language]["none"])
    look("nothing found")
    stand_in.refuse["GET", "audit"] = refusal(500)
    page.locator("activity-log .audit .chip").first.click()
    live(page, SAYS[language]["ours"], "alert")
    look("error")
    assert page.get_by_role("button", name=says["audit"], exact=True).get_attribute("aria-current") == "page"
    assert len(look.seen) == 4


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_state_of_retention_and_holds_is_accessible(window, stack, person, partner, language):
    page = window(language)
    stand_in, look, says = StandIn(page), Look(page), WORDS[language]
    sign_in(page, stack, person(partner), language)
    open_view(page, "data")
    page.get_by_text(says["kept"]).wait_for()
    region(page, says["erasures"]).locator("table").wait_for()
    look("data and retention")

    # Nothing changes before the question is answered.
    page.locator("activity-log select[name=months]").select_option("72")
    page.get_by_role("button", name=says["would_end"]).click()
    question = page.locator("activity-log .question")
    question.get_by_text(says["ends"]).wait_for()
    look("what would end")
    question.get_by_role("button", name=says["cancel"]).click()
    assert focused(page) == says["would_end"] and stand_in.sent("PUT", "retention") == [{"months": 72}]
    stand_in.refuse["PUT", "retention"] = refusal(400, "`months`: at least 1.", "/months")
    page.get_by_role("button", name=says["would_end"]).click()
    page.get_by_text("`months`: at least 1.").wait_for()
    assert page.locator("activity-log select[name=months]").get_attribute("aria-invalid") == "true"
    look("retention refused")

    holds = region(page, says["holds"])
    holds.get_by_role("button", name=says["place"]).click()
    holds.get_by_text(says["missing"]).wait_for()
    look("hold without a reason")
    holds.locator("input[name=reason]").fill("Case 7")
    holds.get_by_role("button", name=says["place"]).click()
    holds.get_by_text("The deletion of 1 month(s) has begun").wait_for()
    assert focused(page) == says["rest"]
    look("hold refused")
    page.keyboard.press("Enter")
    live(page, says["placed"])
    assert says["left_out"] in holds.locator("tbody tr").first.inner_text()
    look("hold placed")
    holds.get_by_role("button", name=says["release"]).first.click()
    look("release the hold")
    holds.get_by_role("button", name=says["release_now"]).click()
    live(page, says["released"])
    look("hold released")
    stand_in.refuse["DELETE", "holds"] = refusal(409, "This hold was released meanwhile.")
    holds.get_by_role("button", name=says["release"]).first.click()
    holds.get_by_role("button", name=says["release_now"]).click()
    holds.get_by_role("alert").get_by_text("This hold was released meanwhile.").wait_for()
    look("release refused")
    assert len(look.seen) == 9


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_state_of_erasures_is_accessible(window, stack, person, partner, language):
    page = window(language)
    page.clock.install()
    stand_in, look, says = StandIn(page), Look(page), WORDS[language]
    stand_in.refuse["GET", "holds"] = refusal(503)
    sign_in(page, stack, person(partner), language)
    open_view(page, "data")
    erasures = region(page, says["erasures"])
    # What was erased is not named any more, and one part that cannot be loaded does not stop the others.
    assert says["erased"] in erasures.locator("tbody tr").first.inner_text()
    region(page, says["holds"]).get_by_role("button", name=SAYS[language]["again"]).wait_for()
    look("a part that cannot be loaded")
    erasures.locator("textarea").fill("ana@contoso.example")
    erasures.locator("input[name=reason]").fill("Request 18")
    stand_in.refuse["POST", "erasures"] = refusal(400, "`actor`: no such user.", "/actor")
    erasures.get_by_role("button", name=says["count"]).click()
    erasures.get_by_text("`actor`: no such user.").wait_for()
    assert page.evaluate("document.querySelector('activity-log').shadowRoot.activeElement.name") == "id"
    look("erasure refused")
    erasures.get_by_role("button", name=says["count"]).click()
    question = page.locator("activity-log .question")
    question.locator("dd").first.wait_for()
    assert re.sub(r"\D", "", question.locator("dd").first.inner_text()) == "1204"
    look("dry run")
    question.get_by_role("button", name=says["erase"]).click()
    assert says["confirm"] in question.locator(".fault").inner_text() and len(stand_in.sent("POST", "erasures")) == 2
    look("not confirmed")
    question.locator("input").fill("ana@contoso.example")
    page.keyboard.press("Enter")
    live(page, says["running"])
    look("erasure in progress")
    assert stand_in.sent("POST", "erasures")[-1] == {
        "actor": "ana@contoso.example", "groups": ["actor", "origin"], "reason": "Request 18", "dry_run": False,
    }  # fmt: skip
    stand_in.erasures[0] |= {"status": "done", "selector": None, "finished_at": at()}
    page.clock.fast_forward(10_000)
    live(page, says["done"])
    assert "ana@contoso.example" not in erasures.locator("table").inner_text()
    look("erasure done")
    assert len(look.seen) == 6


def test_changed_form_is_counted_again(window, stack, person, partner):
    page = window("en")
    StandIn(page)
    sign_in(page, stack, person(partner))
    open_view(page, "data")
    erasures = region(page, "Erasures")
    erasures.locator("textarea").fill("ana")
    erasures.locator("input[name=reason]").fill("Request 18")
    erasures.get_by_role("button", name="Count first").click()
    question = page.locator("activity-log .question")
    question.wait_for()
    erasures.get_by_label("Details", exact=True).check()
    assert question.count() == 0
    # Nothing is sent without a group of fields.
    for box in erasures.locator("input[type=checkbox]").all():
        box.uncheck()
    erasures.get_by_role("button", name="Count first").click()
    erasures.get_by_text("Fill this in.").wait_for()
    assert question.count() == 0


def test_single_activities_are_named_by_their_links(window, stack, person, partner):
    page = window("en")
    stand_in = StandIn(page)
    sign_in(page, stack, person(partner))
    open_view(page, "data")
    erasures = region(page, "Erasures")
    erasures.locator("select").select_option("activities")
    erasures.locator("input[name=reason]").fill("Request 18")
    erasures.get_by_label("Details", exact=True).check()
    erasures.locator("textarea").fill("https://log.example/?activity=nonsense")
    erasures.get_by_role("button", name="Count first").click()
    assert page.evaluate("document.querySelector('activity-log').shadowRoot.activeElement.name") == "id"
    links = ["https://log.example/?tz=UTC&activity=2026-11-02T09%3A30%3A00.123456Z~a-1&partner=p", "2026-11-03T10:00:00Z a-2"]
    erasures.locator("textarea").fill("\n".join(links))
    erasures.get_by_role("button", name="Count first").click()
    # Typed by hand, so that nobody erases without looking: here the number of activities.
    page.locator("activity-log .question").get_by_label("To confirm, type 2").wait_for()
    [request] = stand_in.sent("POST", "erasures")
    assert request["activities"] == [{"id": "a-1", "occurred_at": "2026-11-02T09:30:00.123456Z"}, {"id": "a-2", "occurred_at": "2026-11-03T10:00:00Z"}]


def test_reader_of_the_rules_gets_no_controls(window, stack, person, partner):
    page = window("en")
    StandIn(page, may_change=False)
    sign_in(page, stack, person(partner))
    open_view(page, "data")
    data = page.locator("activity-log .policies")
    data.locator(".erasures tbody tr").nth(1).wait_for()
    data.locator(".holds tbody tr").nth(1).wait_for()
    # A hold may have no limits.
    assert "… – 31 Dec 2019" in data.locator(".holds tbody tr").nth(1).inner_text()
    assert data.locator("form, button:visible, input, select, textarea").count() == 0
    assert violations(page) == []


def test_views_of_oversight_contain_no_visible_text(window, stack, person, partner):
    """In a test language every text is in brackets, so text without brackets is written in the code."""
    page = window("en")
    StandIn(page)

    def bracketed(route):
        text = route.fetch().text()
        text = re.sub(r"^([a-zA-Z]\w*) = (.+)$", r"\1 = ⟦\2⟧", text, flags=re.M)
        text = re.sub(r"(\[(?:one|other)\]) (.+)$", r"\1 ⟦\2⟧", text, flags=re.M)
        route.fulfill(body=text, content_type="text/plain; charset=utf-8")

    page.route(re.compile(r"/en(\.[0-9a-f]+)?\.ftl$"), bracketed)
    page.goto(stack["portal_url"])
    page.get_by_role("button", name="⟦Sign in⟧").click()
    hosted_sign_in(page, person(partner))
    page.get_by_role("button", name="⟦Audit⟧").click()
    page.locator("activity-log .audit .toggle").nth(3).click()
    open_view(page, "data")
    region(page, "⟦Legal holds⟧").get_by_role("button", name="⟦Release…⟧").first.click()
    region(page, "⟦Erasures⟧").locator("textarea").fill("ana")
    region(page, "⟦Erasures⟧").locator("input[name=reason]").fill("Request 18")
    page.get_by_role("button", name="⟦Count first⟧").click()
    page.locator("activity-log .question dd").first.wait_for()
    # Months, times and durations have words of the browser, and select boxes hold durations.
    names = ", td strong, td p, select[name=months] option, .question strong, .did, [data-label='⟦Fields to erase⟧']"
    assert page.evaluate(RAW.replace("tbody th'", f"tbody th{names}'".replace("'⟦", '"⟦').replace("⟧'", '⟧"'))) == []


# By keyboard


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_hold_is_placed_and_erasure_counted_by_keyboard(window, stack, person, partner, language):
    page = window(language)
    stand_in, says = StandIn(page), WORDS[language]
    sign_in(page, stack, person(partner), language, keyboard=True)
    shown(page)
    page.get_by_role("button", name=says["data"]).wait_for()
    tab_to(page, says["data"])
    page.keyboard.press("Enter")
    page.get_by_text(says["kept"]).wait_for()

    def type_into(label, text, kind=None):
        tab_to(page, label, kind)
        page.keyboard.press("Control+a")
        page.keyboard.type(text)

    type_into({"en": "From", "fr": "Du"}[language], {"en": "1/1/2019", "fr": "01/01/2019"}[language])
    # Leaving the field opens no calendar.
    type_into({"en": "To", "fr": "Au"}[language], {"en": "31/12/2019", "fr": "31/12/2019"}[language])
    type_into({"en": "Customers", "fr": "Clients"}[language], "fabrikam")
    type_into({"en": "Reason", "fr": "Motif"}[language], "Case 7")
    page.keyboard.press("Enter")
    eventually(lambda: focused(page) == says["rest"] or page.wait_for_timeout(20), "the refusal has the focus")
    page.keyboard.press("Enter")
    live(page, says["placed"])
    [_, request] = stand_in.sent("POST", "holds")
    # The days of the partner's time zone, of which the last one is included.
    assert request == {
        "from": "2018-12-31T23:00:00.000Z", "to": "2019-12-31T23:00:00.000Z", "customers": ["fabrikam"], "reason": "Case 7", "partial": True,
    }  # fmt: skip
    # The focus is on what was said, above the new row.
    tab_to(page, says["release"].split("…")[0])

    type_into("ID", "ana@contoso.example")
    type_into({"en": "Reason for", "fr": "Motif de"}[language], "Request 18")
    page.keyboard.press("Enter")
    question = page.locator("activity-log .question")
    question.wait_for()
    # The question has the focus, so its numbers are read out and the next stop is its field.
    page.keyboard.press("Tab")
    assert focused(page).startswith(says["confirm"])
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page) == says["cancel"]
    page.keyboard.press("Enter")
    assert question.count() == 0 and focused(page) == says["count"]
    assert [body["dry_run"] for body in stand_in.sent("POST", "erasures")] == [True]


# Tasks, counted in acts. The table of docs/page.md has the same numbers.


def who_downloaded_exports(acts):
    acts.click("Audit")
    acts.type("Search", "export.downloaded")
    acts.press("Enter")
    acts.page.locator("activity-log .audit .chip").wait_for()
    acts.page.locator("activity-log .audit tr.row").nth(5).wait_for()
    return 3


def data_of_a_customer_are_held(acts):
    acts.click("Data and retention")
    acts.type("From", "01/01/2019")
    acts.type("Customers", "fabrikam")
    acts.type("Reason", "Case 7")
    acts.press("Enter")
    acts.page.get_by_role("button", name="Hold the rest").wait_for()
    return 5


def name_of_a_person_is_erased(acts):
    acts.click("Data and retention")
    acts.type("ID", "ana@contoso.example")
    acts.type("Reason for the erasure", "Request 18")
    acts.press("Enter")
    acts.type("To confirm, type ana@contoso.example", "ana@contoso.example")
    acts.press("Enter")
    live(acts.page, "Erasure: In progress")
    return 6


@pytest.mark.parametrize("task", [who_downloaded_exports, data_of_a_customer_are_held, name_of_a_person_is_erased], ids=lambda task: task.__name__)
def test_task_of_oversight_takes_these_acts(window, stack, person, partner, task):
    page = window("en")
    StandIn(page)
    sign_in(page, stack, person(partner))
    shown(page)
    acts = Acts(page)
    assert acts.count == 0 and task(acts) == acts.count


# Who has these views


@pytest.mark.parametrize("role", ["admin_agent", "billing_admin", "user_management_admin", "sales_agent", "helpdesk_agent"])
def test_other_roles_have_no_oversight_and_ask_for_none(window, stack, person, partner, role):
    page = window("en")
    stand_in = StandIn(page)
    sign_in(page, stack, person(partner, role), query="?view=audit")
    shown(page)
    page.get_by_role("button", name="Exports", exact=True).click()
    page.locator("activity-log .exports").get_by_role("heading", name="Exports on request").wait_for()
    # Refusals are recorded, so the page asks for nothing that it knows to be refused.
    assert stand_in.requests == []
    for view in ("audit", "data"):
        assert not page.locator(f"activity-log [data-view={view}]").is_visible()


@pytest.mark.parametrize("status", [403, 404])
def test_refused_person_has_no_oversight(window, stack, person, partner, status):
    page = window("en")
    stand_in = StandIn(page)
    stand_in.refuse["GET", "retention"] = refusal(status)
    sign_in(page, stack, person(partner), query="?view=data")
    shown(page)
    eventually(lambda: stand_in.requests or page.wait_for_timeout(20), "the page asked")
    page.wait_for_timeout(200)
    assert not page.get_by_role("button", name="Data and retention").is_visible()
    assert page.locator("activity-log .view .count").is_visible() and page.locator("activity-log .policies").count() == 0


def test_views_end_when_the_audit_is_refused(window, stack, person, partner):
    page = window("en")
    stand_in = StandIn(page)
    sign_in(page, stack, person(partner))
    shown(page)
    page.get_by_role("button", name="Audit").wait_for()
    stand_in.refuse["GET", "audit"] = refusal(403)
    open_view(page, "audit")
    page.get_by_role("button", name="Audit").wait_for(state="hidden")
    assert page.locator("activity-log .view .count").is_visible()


def test_component_of_one_customer_has_no_oversight(window, stack, person, partner, elsewhere):
    import tokens

    page = window("en")
    stand_in = StandIn(page)
    token = tokens.of_person(stack, person(partner), PASSWORD)
    page.goto(host(elsewhere, stack, f'partner="{partner.name}" customer="fabrikam"', token))
    shown(page)
    assert stand_in.requests == []


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_person_of_some_customers_gets_no_schedule_and_no_oversight(window, stack, person, partner, language):
    page = window(language)
    stand_in = StandIn(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    # Any claim that does not say "all" restricts; the service then shows less, which other tests check.
    page.route(re.compile(r"/config\.json$"), lambda route: route.fulfill(json=route.fetch().json() | {"customers_claim": "name"}))
    sign_in(page, stack, person(partner), language)
    shown(page)
    page.get_by_role("button", name=SAYS[language]["exports"], exact=True).click()
    exports = page.locator("activity-log .exports")
    exports.get_by_text(WORDS[language]["own"]).wait_for()
    assert exports.locator("form").count() == 0 and exports.locator("h2").count() == 1
    assert not exports.locator(".monthly").is_visible()
    Look(page)("exports of some customers")
    # Saved views cannot become a schedule.
    page.locator("activity-log .open-views").click()
    dialog = page.locator("activity-log .views-dialog")
    dialog.locator(".primary").click()
    dialog.locator(".use").wait_for()
    assert not re.search("every month|chaque mois", dialog.inner_text())
    assert stand_in.requests == [] and not [url for url in asked if "export-schedule" in url]


# The audit's own query


def test_audit_has_a_query_of_its_own(window, stack, person, partner):
    partner.record([recent(), recent()])
    page = window("en")
    stand_in = StandIn(page)
    sign_in(page, stack, person(partner), query="?view=audit&period=last7&q=retention")
    rows = page.locator("activity-log .audit tr.row")
    rows.nth(5).wait_for()
    assert rows.count() == 6 and page.locator("activity-log .audit .chip").count() == 1
    open_view(page, "log")
    page.locator("activity-log .view tr.row").nth(1).wait_for()
    assert parse_qs(urlsplit(page.url).query)["period"] == ["recent"] and page.locator("activity-log .view .chip").count() == 0
    page.go_back()
    rows.nth(5).wait_for()
    # The menu of a value filters the audit, not the log.
    rows.first.locator(".toggle").click()
    page.locator("activity-log .audit [data-pivot=actor]").click()
    assert [each.inner_text() for each in page.get_by_role("menuitem").all()][:2] == ["Show only this", "Exclude this"]
    page.get_by_role("menuitem", name="Show only this").click()
    page.locator("activity-log .audit .chip").nth(1).wait_for()
    address = parse_qs(urlsplit(page.url).query)
    assert address["view"] == ["audit"] and address["user"] == ["s-1"] and address["q"] == ["retention"]
    # Keys act on the visible list.
    page.locator("activity-log [data-view=audit]").focus()
    page.keyboard.press("j")
    page.locator("activity-log .audit .toggle:focus").wait_for()
    assert page.locator("activity-log .audit .toggle").first.evaluate("element => element.matches(':focus')")
    assert {kind for _, kind, _ in stand_in.requests} == {"audit", "retention"}


# Erased activities


ERASED = ("actor", "origin", "customer", "target", "changes", "details", "reason")


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_erased_fields_say_so(window, stack, person, partner, language):
    partner.record([recent(customer={"id": "fabrikam", "name": "Fabrikam SARL"}, changes=[{"field": "quantity", "old": 5, "new": 12}]) for _ in range(3)])
    says = WORDS[language]
    page = window(language)

    def erase(route):
        answer = route.fetch().json()
        # The page also asks for what is new.
        if len(answer["activities"]) < 3:
            return route.fulfill(json=answer)
        first, second, _ = answer["activities"]
        first |= {group: None for group in ERASED if group != "origin"} | {"erased": dict.fromkeys(ERASED, "01ERASURE")}
        second |= {"actor": None, "erased": {"actor": "01ERASURE"}}
        return route.fulfill(json=answer)

    page.route(re.compile(r"/activities\?"), erase)
    sign_in(page, stack, person(partner), language)
    shown(page)
    rows = page.locator("activity-log tr.row")
    whole, part = rows.nth(0), rows.nth(1)
    assert [whole.locator(f".{column}").inner_text() for column in ("at-customer", "at-user")] == [says["erased"]] * 2
    assert says["groups"] in whole.locator(".at-action").inner_text()
    assert part.locator(".at-user").inner_text() == says["erased"] and "12" in part.locator(".at-action").inner_text()
    for row in (whole, part):
        row.locator(".toggle").click()
    opened = page.locator("activity-log tr.opened")
    opened.first.locator(".metadata summary").click()
    for name in ("actor", "customer", "target"):
        assert opened.first.locator(f"[data-pivot={name}]").count() == 0
    assert opened.nth(1).locator("[data-pivot=customer]").count() == 1
    # User, customer, target, changes, details, reason and address.
    assert opened.first.inner_text().count(says["erased"]) == 7 and "01ERASURE" in opened.first.inner_text()
    Look(page)("erased activities")
    opened.first.get_by_role("button", name="JSON").click()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["actor"] is None and copied["erased"]["actor"] == "01ERASURE"
    # Erased fields do not stop the printing or the history of others.
    page.evaluate("window.print = () => { window.printed = true; }")
    page.get_by_role("button", name={"en": "Print", "fr": "Imprimer"}[language], exact=True).click()
    eventually(lambda: page.evaluate("window.printed"), "the browser asked to print")
    opened.nth(1).locator("[data-pivot=customer]").click()
    page.get_by_role("menuitem", name=re.compile("Histor")).click()
    page.locator("activity-log .steps > li").nth(2).wait_for()
    assert says["erased"] in page.locator("activity-log .steps > li").first.inner_text()
    assert violations(page) == []


def test_cancelled_export_says_why(window, stack, person, partner):
    page = window("en")
    gone = on_demand(1, status="cancelled", files=[], problem="An erasure removed the files. Export again.")
    answer_with(page, [gone, on_demand(2, status="cancelled", files=[])])
    sign_in(page, stack, person(partner))
    open_exports(page)
    rows = page.locator("activity-log .jobs tbody tr")
    assert "An erasure removed the files. Export again." in rows.first.inner_text()
    assert rows.nth(1).locator("td[data-label=Status]").inner_text().strip() == "Cancelled"


# With the real routes


def test_audit_shows_what_people_did(window, stack, person, partner):
    partner.record([recent()])
    page = window("en")
    sign_in(page, stack, person(partner))
    shown(page)
    export = partner.order({}).json()["id"]
    open_view(page, "audit")
    asked = page.locator("activity-log .audit tr.row", has_text="Export requested")
    asked.first.wait_for()
    assert export in asked.first.inner_text()
    # This person, by name.
    search(page.locator("activity-log .audit"), "log read")
    page.locator("activity-log .audit .at-user", has_text="Ana Trujillo").first.wait_for()
    assert violations(page) == []


def test_operator_sets_the_rules_on_the_page(window, stack, partner, elsewhere):
    import tokens

    partner.record([recent(actor={"id": "leaver@contoso.example", "name": "Lea Verne"}), recent()])
    page = window("en")
    page.goto(host(elsewhere, stack, f'partner="{partner.name}" time-zone="Europe/Paris"', tokens.token(stack, "operator")))
    open_view(page, "data")
    page.locator("activity-log select[name=months]").select_option("84")
    page.get_by_role("button", name="Show what would end").click()
    page.get_by_text("No month ends by this.").wait_for()
    page.get_by_role("button", name="Save", exact=True).click()
    live(page, "Saved.")
    # Partners keep for ever until then, so this is a shortening, which waits.
    saved = partner.caller.get(f"{partner.path}/retention").json()
    assert (saved["months"], saved["pending"]["months"]) == (None, 84)

    holds = region(page, "Legal holds")
    holds.locator("input[name=from]").fill("01/01/2020")
    holds.locator("textarea").fill("fabrikam")
    holds.locator("input[name=reason]").fill("Case 7")
    holds.get_by_role("button", name="Place a hold").click()
    live(page, "The hold is active.")
    [hold] = partner.caller.get(f"{partner.path}/holds").json()["holds"]
    assert (hold["status"], hold["customers"], hold["reason"]) == ("active", ["fabrikam"], "Case 7")
    holds.get_by_role("button", name=re.compile("^Release…")).click()
    holds.get_by_role("button", name="Release now").click()
    live(page, "The hold is released.")

    erasures = region(page, "Erasures")
    erasures.locator("textarea").fill("leaver@contoso.example")
    erasures.locator("input[name=reason]").fill("Request 18")
    erasures.get_by_role("button", name="Count first").click()
    question = page.locator("activity-log .question")
    question.get_by_label("To confirm, type leaver@contoso.example").fill("leaver@contoso.example")
    assert question.locator("dd").first.inner_text() == "1"
    page.keyboard.press("Enter")
    page.locator("activity-log [role=status]").filter(has_text="Erasure: Completed").wait_for(timeout=120_000)
    open_view(page, "log")
    page.evaluate("document.querySelector('activity-log').reload()")
    page.locator("activity-log tr.row .at-user", has_text="Erased").wait_for()
    assert "Lea Verne" not in page.locator("activity-log table.list").inner_text()
