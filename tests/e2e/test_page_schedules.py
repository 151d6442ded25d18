"""The page of a partner with a monthly schedule: every state is accessible, and no text is written in the code."""

import re

import pytest
from test_months import grace, run, schedules  # noqa: F401
from test_notifications import made, receiver, settled  # noqa: F401
from test_page_states import Look, live

from browser import NEEDED, SAYS, TRIED_LANGUAGES, hosted_sign_in, mixed, shown, sign_in

pytestmark = NEEDED


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_every_state_of_the_exports_is_accessible(window, stack, person, partner, receiver, made, language):  # noqa: F811
    receiver.answers = [(500, {})]
    made(receiver.url)
    settled(partner, receiver.url)
    partner.record(mixed())
    says = SAYS[language]
    page = window(language)
    look = Look(page)
    sign_in(page, stack, person(partner), language)
    shown(page)
    page.get_by_role("button", name=says["export"]).click()
    look("export dialog")
    # The export stays half-way during the checks.
    half = {"status": "running", "progress": {"rows": 2, "bytes": 512, "fraction": 0.5}, "files": []}
    page.route(re.compile(r"/exports/[^/]+$"), lambda route: route.fulfill(json=route.fetch().json() | half))
    page.get_by_role("dialog").get_by_role("button", name=says["start"], exact=True).click()
    live(page, re.compile(r"50\s?%"))
    page.get_by_role("button", name=says["cancel"]).wait_for()
    look("export running")
    page.unroute_all(behavior="ignoreErrors")
    page.locator("activity-log .exporting").get_by_role("button", name=re.compile(says["download"])).wait_for(timeout=120_000)
    look("export ready")
    page.get_by_role("button", name=says["exports"], exact=True).click()
    page.locator("activity-log .results").wait_for()
    look("exports and schedule")
    page.get_by_role("button", name=says["replace"]).click()
    look("replace the secret")
    page.locator("activity-log .secret button").last.click()
    page.get_by_role("button", name=says["reveal"]).click()
    page.locator("activity-log .secret code").wait_for()
    look("secret shown")
    page.context.set_offline(True)
    page.get_by_role("button", name=says["save"], exact=True).click()
    page.get_by_role("alert").get_by_role("button", name=says["again"]).wait_for()
    look("schedule not saved")
    assert len(look.seen) == 7


RAW = """() => {
  const found = [];
  const names = 'bdi, time, .number, .row td:nth-child(3), .quiet.target, dl .quiet, .row .quiet, td > .quiet:not([class*=" "]):not(p), caption, datalist, td[data-label="⟦Period⟧"] > span, .count .quiet, code, option[value*="."], option[value*="/"], [name=time_zone] option, [name=from] option, input[name=from], input[name=to], .axis, .monthly strong, dd, .brand, #language, tbody th';
  const walk = (root) => {
    for (const each of root.querySelectorAll('*')) {
      if (each.shadowRoot) walk(each.shadowRoot);
      if (each.closest(names) || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'TEXTAREA'].includes(each.tagName)) continue;
      if (each.closest('[lang]')?.lang !== document.documentElement.lang && !each.getRootNode().host) continue;
      for (const node of each.childNodes) {
        if (node.nodeType === 3 && /[a-z]{2}/i.test(node.data) && !node.data.includes('⟦')) found.push(node.data);
      }
      for (const name of ['aria-label', 'placeholder', 'title', 'data-label']) {
        const value = each.getAttribute(name);
        // The id that the API uses, beside its name in words.
        if (name === 'title' && each.matches('.value > label, th, .key')) continue;
        if (value && !value.includes('⟦')) found.push(value);
      }
    }
  };
  walk(document.body);
  return found;
}"""


def test_page_code_contains_no_visible_text(window, stack, person, partner, receiver, made):  # noqa: F811
    """In a test language every text is in brackets, so text without brackets is written in the code."""
    made(receiver.url)
    settled(partner, receiver.url)
    partner.record(mixed())
    page = window("en")

    def bracketed(route):
        text = route.fetch().text()
        text = re.sub(r"^([a-zA-Z]\w*) = (.+)$", r"\1 = ⟦\2⟧", text, flags=re.M)
        text = re.sub(r"(\[(?:one|other)\]) (.+)$", r"\1 ⟦\2⟧", text, flags=re.M)
        route.fulfill(body=text, content_type="text/plain; charset=utf-8")

    page.route(re.compile(r"/en(\.[0-9a-f]+)?\.ftl$"), bracketed)
    page.goto(stack["portal_url"])
    page.get_by_role("button", name="⟦Sign in⟧").wait_for()
    assert page.evaluate(RAW) == []
    page.get_by_role("button", name="⟦Sign in⟧").click()
    hosted_sign_in(page, person(partner))
    page.locator("activity-log tr.row").first.wait_for()
    for toggle in page.locator("activity-log .toggle").all():
        toggle.click()
    page.locator("activity-log tfoot").wait_for()
    page.get_by_role("button", name="⟦Export log⟧").click()
    assert page.evaluate(RAW) == []
    page.get_by_role("dialog").get_by_role("button", name="⟦Export⟧").click()
    page.locator("activity-log .exporting").get_by_role("button", name="⟦Download").wait_for(timeout=120_000)
    page.get_by_role("button", name="⟦Exports⟧").click()
    page.get_by_role("button", name="⟦Show the secret⟧").click()
    page.locator("activity-log .secret code").wait_for()
    assert page.evaluate(RAW) == []
    page.context.set_offline(True)
    page.get_by_role("button", name="⟦Save⟧").click()
    page.get_by_role("alert").get_by_role("button", name="⟦Try again⟧").wait_for()
    assert page.evaluate(RAW) == []
