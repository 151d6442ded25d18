"""Chromium and the actions of people: sign in through the real hosted page, read, move by keyboard alone.

The tests use the Chromium of the system (Debian: `chromium-headless-shell`, which starts no window). `make browser` installs missing programs.
"""

import functools
import html
import http.server
import re
import shutil
import threading
import uuid
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import requests
from amounts import amount

from api import new_activity, now, rfc3339

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None)
AXE = ROOT / "tests" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
NEEDED = pytest.mark.skipif(not CHROMIUM or not AXE.exists(), reason="needs Chromium and axe-core: make browser")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "Daybook-local-1"
# In milliseconds. A wait ends as soon as it can, so the limit costs time only in a test that fails.
LONGEST_WAIT = 60_000
LANGUAGES = {"en": "en-GB", "fr": "fr-FR"}
# The languages of tests that do the same in both. `make test` takes French alone: its texts are longer, and most other tests speak English.
TRIED_LANGUAGES = [*LANGUAGES][-amount("PAGE_LANGUAGES", 1, 2) :]
SAYS = {
    "en": {
        "title": "Activity log",
        "sign_in": "Sign in",
        "sign_out": "Sign out",
        "text": "Search",
        "export": "Export log",
        "start": "Export",
        "download": "Download",
        "exports": "Exports",
        "log": "Log",
        "none": "No activity matches",
        "again": "Try again",
        "cancel": "Cancel this export",
        "over": "Your session has ended",
        "save": "Save",
        "slow": "This takes longer than usual",
        "stopped": "Stopped.",
        "reveal": "Show the secret",
        "replace": "Replace the secret…",
        "denied": "Your role does not allow this",
        "ours": "The service has a problem",
        "no_partner": "does not belong to a partner",
        "schedule_denied": "Global admins, admin agents and billing admins manage the monthly export",
        "failed": "Sign-in failed",
        "fault": "The last day is before the first",
    },
    "fr": {
        "title": "Journal d’activité",
        "sign_in": "Se connecter",
        "sign_out": "Se déconnecter",
        "text": "Recherche",
        "export": "Exporter le journal",
        "start": "Exporter",
        "download": "Télécharger",
        "exports": "Exports",
        "log": "Journal",
        "none": "Aucune activité ne correspond",
        "again": "Réessayer",
        "cancel": "Annuler cet export",
        "over": "Votre session a expiré",
        "save": "Enregistrer",
        "slow": "prend plus de temps que d’habitude",
        "stopped": "Chargement arrêté.",
        "reveal": "Afficher le secret",
        "replace": "Remplacer le secret…",
        "denied": "Votre rôle ne vous y autorise pas",
        "ours": "Le service rencontre un problème",
        "no_partner": "rattaché à aucun partenaire",
        "schedule_denied": "L’export mensuel est géré par",
        "failed": "La connexion a échoué",
        "fault": "La date de fin précède",
    },
}


class Elsewhere:
    """Serves pages of another origin: the one host that the deployed stack allows to call."""

    def __init__(self, directory):
        self.directory = directory
        handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
        handler.func.log_message = lambda *_: None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    server = Elsewhere(tmp_path_factory.mktemp("elsewhere"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def chromium(elsewhere):
    from playwright.sync_api import expect, sync_playwright

    # The default of five seconds passes on a busy machine.
    expect.set_options(timeout=LONGEST_WAIT)
    # Only the browser resolves portal.localhost, so the port may be any free one.
    rules = f"--host-resolver-rules=MAP portal.localhost:80 127.0.0.1:{elsewhere.port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, rules])
        yield browser
        browser.close()


@pytest.fixture
def window(chromium, stack):
    """Opens pages in a new browser, and fails at the end if a page logged an unexpected error."""
    contexts, complaints = [], []

    def make(language="en", **options):
        context = chromium.new_context(
            locale=LANGUAGES.get(language, language),
            timezone_id="America/New_York",
            accept_downloads=True,
            **({"viewport": {"width": 1280, "height": 900}} | options),
        )
        contexts.append(context)
        context.set_default_timeout(LONGEST_WAIT)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()

        def heard(message):
            address = message.location.get("url", "")
            # An error status is no fault of the page, and the pages of the sign-in have no icon.
            if message.type == "error" and not (
                message.text.startswith("Failed to load resource") and ("/v1/" in address or "favicon.ico" in address or "/oauth2/" in address)
            ):
                complaints.append(f"{message.text} {address}")

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    make.complaints = complaints
    yield make
    for context in contexts:
        context.close()
    assert complaints == [], "\n".join(complaints)


@pytest.fixture
def person(stack, aws):
    """Creates people, and returns their user names."""
    made = []

    def make(partner, role="global_admin", name="Ana Trujillo"):
        user = f"{(role or 'nobody').replace('_', '-')}-{uuid.uuid4().hex[:8]}"
        cognito, pool = aws("cognito-idp"), stack["user_pool_id"]
        attributes = {"email": f"{user}@example.com", "email_verified": "true", "name": name}
        if partner:
            attributes["custom:partner_id"] = partner.name
        cognito.admin_create_user(
            UserPoolId=pool, Username=user, MessageAction="SUPPRESS", UserAttributes=[{"Name": key, "Value": value} for key, value in attributes.items()]
        )
        if role:
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=role)
        cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=PASSWORD, Permanent=True)
        made.append(user)
        return user

    yield make
    for user in made:
        aws("cognito-idp").admin_delete_user(UserPoolId=stack["user_pool_id"], Username=user)


def order(number=1, **fields):
    lines = [
        {"line": 1, "product": "CFQ7", "name": "Business Basic", "quantity": 12, "unit_price": "14.90", "currency": "EUR", "subscription_id": "s-1"},
        {"line": 2, "product": "CFQ8", "name": "Enterprise", "quantity": 1000, "unit_price": "0.0125", "currency": "EUR", "subscription_id": "s-2"},
    ]
    return (
        recent(
            action="order.created",
            customer={"id": "tailspin", "name": "Tailspin Toys"},
            target={"type": "order", "id": f"o-{number}", "name": "Renewal"},
            details={"lines": lines, "purchase_order": "BC-1"},
        )
        | fields
    )


def recent(**fields):
    return (
        new_activity(occurred_at=rfc3339(now()), actor={"id": "ana@contoso.example", "name": "Ana Trujillo", "role": "admin_agent", "ip": "203.0.113.7"})
        | fields
    )


def mixed():
    """Returns an activity of each status, among them an order and a change."""
    return [
        order(),
        recent(action="subscription.updated", customer={"id": "fabrikam", "name": "Fabrikam SARL"}, changes=[{"field": "quantity", "old": 5, "new": 12}]),
        recent(action="customer.created", status="failed", details={"reason": "The domain is in use."}),
        recent(action="user.created", status="declined", customer={"id": "fabrikam", "name": "Fabrikam SARL"}),
        recent(action="invoice.ready", status="in_progress"),
    ]


def sign_in(page, stack, user, language="en", query="", keyboard=False):
    """Signs in from the page, through the hosted page and back."""
    page.goto(stack["portal_url"] + query)
    button = page.get_by_role("button", name=SAYS[language]["sign_in"])
    button.wait_for()
    if keyboard:
        tab_to(page, SAYS[language]["sign_in"])
        page.keyboard.press("Enter")
    else:
        button.click()
    hosted_sign_in(page, user, keyboard)
    page.locator("activity-log h1").wait_for()


def hosted_sign_in(page, user, keyboard=False):
    """Fills in the form of the issuer."""
    page.locator("input[name=username]").wait_for()
    for name, text in (("username", user), ("password", PASSWORD)):
        if keyboard:
            for _ in range(20):
                if page.evaluate("document.activeElement?.name") == name:
                    break
                page.keyboard.press("Tab")
            page.keyboard.type(text)
        else:
            page.locator(f"input[name={name}]").fill(text)
    page.keyboard.press("Enter")


def keep_the_issuers_session(page, user):
    """Imitates a session at the issuer: later sign-ins return a code without a form.

    The emulator's issuer has no sessions, so the test signs in for the browser and passes on a real code.
    """

    def answer(route):
        form = requests.get(route.request.url, timeout=60)
        hidden = {name: html.unescape(value) for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.text)}
        action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', form.text)[1])
        back = requests.post(urljoin(form.url, action), data=hidden | {"username": user, "password": PASSWORD}, allow_redirects=False, timeout=60)
        route.fulfill(status=302, headers={"Location": back.headers["Location"]})

    page.route(re.compile(r"/oauth2/authorize\?.*prompt=none"), answer)


def shown(page):
    """Waits until the page shows the list."""
    page.locator("activity-log table.list:not([aria-busy])").wait_for(state="attached")
    page.locator("activity-log .count").filter(has_text=re.compile(r"\d|No|Aucun")).wait_for()


def search(place, text, language="en"):
    """Types a text into the search field of a page or a component, and presses Enter."""
    field = place.get_by_role("combobox", name=SAYS[language]["text"], exact=True)
    field.fill(text)
    field.press("Enter")


FOCUSED = """() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return [at?.getAttribute('aria-label') || at?.labels?.[0]?.innerText || at?.innerText || '', at?.getAttribute('class') || '']; }"""


def tab_to(page, text="", kind=None, most=120):
    """Presses Tab until the element with this name has the focus."""
    reached = []
    for _ in range(most):
        name, classes = page.evaluate(FOCUSED)
        if name.strip().startswith(text) and (kind is None or kind in classes.split()):
            return
        reached.append(name.strip()[:40])
        page.keyboard.press("Tab")
    raise AssertionError(f"{text or kind} is not reached by the keyboard, but {reached}")


def violations(page):
    """Returns the violations of WCAG 2.2, A and AA, that axe finds."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("""async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
      resultTypes: ['violations'], preload: false})).violations""")
    return [(each["id"], node["target"], node.get("failureSummary", "")[:200]) for each in found for node in each["nodes"]]


# Finds what cannot be read: text that overlaps other text, cells that are narrower than their longest word or, if the word is
# longer, than 16 digits, and anything that makes the page scroll sideways. A word ends where the browser may break it.
LAYOUT_FAULTS = """() => {
  const faults = [];
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) faults.push(`the page scrolls sideways: ${page.scrollWidth} > ${page.clientWidth}`);
  const root = document.querySelector('activity-log').shadowRoot;
  const host = root.host.getBoundingClientRect();
  const isClipped = (element) => element !== null && (getComputedStyle(element).clipPath !== 'none' || isClipped(element.parentElement));
  const isShown = (element) => element.checkVisibility() && !element.closest('.skip, [aria-hidden=true]') && !isClipped(element);
  const range = document.createRange();
  const context = document.createElement('canvas').getContext('2d');
  for (const cell of root.querySelectorAll('table.list > tbody > tr.row > td')) {
    if (!isShown(cell)) continue;
    const style = getComputedStyle(cell);
    const room = cell.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    for (const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT); walker.nextNode();) {
      const { data, parentElement } = walker.currentNode;
      if (!isShown(parentElement)) continue;
      context.font = getComputedStyle(parentElement).font;
      const most = Math.max(...data.split(/[ \\n]+/).map((word) => context.measureText(word).width));
      if (room + 1 < Math.min(most, context.measureText('0').width * 16)) {
        faults.push(`a cell of ${Math.round(room)} px holds a word of ${Math.round(most)} px: ${data}`);
      }
    }
  }
  // Boxes of text and of controls, in the order of the page.
  const boxes = [];
  for (const element of root.querySelectorAll('*')) {
    if (!isShown(element) || element.closest('.scroll, svg, [popover]')) continue;
    const isControl = element.matches('button, input, select, summary');
    const rectangles = isControl ? [element.getBoundingClientRect()] : [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim()).flatMap((node) => {
      if (element.closest('button, select, summary')) return [];
      range.selectNodeContents(node);
      // A text of two lines at most hides its rest.
      const limit = element.closest('.event')?.getBoundingClientRect().bottom ?? Infinity;
      return [...range.getClientRects()].filter((each) => each.top < limit - 2);
    });
    for (const box of rectangles) {
      if (box.width < 1 || box.height < 1) continue;
      if (box.right > host.right + 1 || box.left < host.left - 1) faults.push(`${element.tagName}.${element.className} is outside: ${element.textContent.slice(0, 40)}`);
      boxes.push({ element, box });
    }
  }
  boxes.sort((one, other) => one.box.top - other.box.top);
  boxes.forEach(({ element, box }, index) => {
    for (let next = index + 1; next < boxes.length && boxes[next].box.top < box.bottom - 2; next += 1) {
      const other = boxes[next];
      if (other.element.contains(element) || element.contains(other.element)) continue;
      // The button of a calendar stands inside of its field.
      if ([element, other.element].some((each) => each.matches('input + button'))) continue;
      // Headings that stay at the top lie over the rows that scroll beneath them.
      if ([element, other.element].some((each) => getComputedStyle(each.closest('th') ?? each).position === 'sticky')) continue;
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - other.box.top;
      if (wide > 1.5 && high > 4) faults.push(`overlap of "${element.textContent.slice(0, 30)}" and "${other.element.textContent.slice(0, 30)}"`);
    }
  });
  return faults;
}"""


def origin(url):
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
