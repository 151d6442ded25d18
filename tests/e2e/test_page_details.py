"""An opened row of the page: what it says first, menus of its values, histories of objects, and links to one activity."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from api import now, rfc3339
from browser import NEEDED, TRIED_LANGUAGES, order, recent, sign_in, tab_to, violations

pytestmark = NEEDED

DETAILS = {
    "en": {
        "state": "Failed",
        "changes": "Changes",
        "quantity": "Quantity",
        "metadata": "Technical details",
        "term": "1 year",
        "renewal": "Automatic renewal",
        "yes": "yes",
        "role": "Sales agent",
        "type": "purchase order",
        "po": "Purchase order",
        "history": "History of this subscription",
        "only": "Show only this",
        "not": "Exclude this",
        "around": "Same user ±\u00a015 minutes",
        "same": "Same subscription",
        "correlation": "Same correlation ID",
        "next": "Next",
        "previous": "Previous",
        "link": "Copy link",
    },
    "fr": {
        "state": "Échec",
        "changes": "Modifications",
        "quantity": "Quantité",
        "metadata": "Informations techniques",
        "term": "1 an",
        "renewal": "Renouvellement automatique",
        "yes": "oui",
        "role": "Agent commercial",
        "type": "bon de commande",
        "po": "Bon de commande",
        "history": "Historique de l’abonnement",
        "only": "Filtrer sur cette valeur",
        "not": "Exclure cette valeur",
        "around": "Même utilisateur à ±\u00a015\u00a0minutes",
        "same": "Même abonnement",
        "correlation": "Même ID de corrélation",
        "next": "Suivante",
        "previous": "Précédente",
        "link": "Copier le lien",
    },
}


def ago(**span):
    return rfc3339(now() - timedelta(**span))


def subscription(id="s-1", **fields):
    """Returns a change of a subscription, newer than any other activity unless a time is given."""
    return recent(
        action="subscription.updated",
        customer={"id": "fabrikam", "name": "Fabrikam SARL"},
        target={"type": "subscription", "id": id, "name": "Enterprise E3"},
        correlation_id="c-1",
        source="portal",
        changes=[{"field": "quantity", "old": 28, "new": 19}],
    ) | dict(fields)


def open_row(page, text):
    """Opens the row with a text, and returns what it shows."""
    row = page.locator("activity-log tr.row", has_text=text).first
    row.locator(".toggle").click()
    opened = page.locator("activity-log tr.opened").first
    opened.locator(".metadata").wait_for()
    return opened


def choose(page, place, value, entry):
    """Opens the menu of a value and chooses an entry."""
    place.locator(f"[data-pivot='{value}']").first.click()
    page.get_by_role("menuitem", name=entry, exact=True).click()


def is_accessible(page):
    """Checks the page from its top, where the header of the table covers no row."""
    page.evaluate("scrollTo(0, 0)")
    found = violations(page)
    assert found == [], found


def address(page):
    return parse_qs(urlsplit(page.url).query)


def in_order(text, *parts):
    """Checks that a text has these parts in this order."""
    at = -1
    for part in parts:
        found = text.find(part, at + 1)
        assert found > at, f"{part!r} is not behind the parts before it in {text!r}"
        at = found


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_open_row_says_outcome_and_changes_first(window, stack, person, partner, language):
    says = DETAILS[language]
    changes = [
        {"field": "quantity", "old": 28, "new": 19},
        {"field": "term", "old": "P1M", "new": "P1Y"},
        {"field": "auto_renew", "old": False, "new": True},
        {"field": "role", "old": "admin_agent", "new": "sales_agent"},
        {"field": "unit_price", "old": {"amount": "14.90", "currency": "EUR"}, "new": {"amount": "15.5", "currency": "EUR"}},
    ]
    partner.record([
        order(
            status="failed",
            target={"type": "purchase_order", "id": "o-1", "name": "Renewal"},
            changes=changes,
            details={
                "failure_reason": "The card has expired.",
                "lines": [{"sku": "A", "quantity": 2, "unit_price": "5.00", "currency": "EUR", "term": "P1Y", "subscription_id": "s-1"}],
                "purchase_order": "BC-1",
                "someOther_code": "X",
            },
        )
    ])  # fmt: skip
    page = window(language)
    sign_in(page, stack, person(partner), language)
    page.locator("activity-log tr.row").nth(0).wait_for()
    opened = open_row(page, "Tailspin")
    opened.locator("tfoot").wait_for()
    text = re.sub(r"[\u00a0\u202f]", " ", opened.inner_text())
    price = {"en": "€15.50", "fr": "15,50 €"}[language]
    in_order(text, says["state"], "The card has expired.", says["changes"], "19 (", says["term"], says["yes"], says["role"], price)
    in_order(text, price, "Renewal", says["type"], "s-1", says["po"], "BC-1", says["metadata"])
    assert text.count("The card has expired.") == 1
    for code in ("P1Y", "auto_renew", "purchase_order", "failure_reason", "sales_agent"):
        assert code not in text, code
    # The metadata are folded, and stay unfolded in other rows once a person unfolds them.
    address = opened.get_by_text("203.0.113.7")
    assert not address.is_visible()
    opened.locator("summary").click()
    address.wait_for()
    is_accessible(page)
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    is_accessible(page)


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_value_has_a_menu_for_mouse_and_keyboard(window, stack, person, partner, language):
    says = DETAILS[language]
    partner.record([
        subscription(),
        subscription(target={"type": "subscription", "id": "s-2"}, customer={"id": "tailspin", "name": "Tailspin Toys"}, occurred_at=ago(hours=2)),
        subscription(actor={"id": "bea@contoso.example", "name": "Béa"}, occurred_at=ago(minutes=2), correlation_id="c-2"),
    ])  # fmt: skip
    page = window(language)
    sign_in(page, stack, person(partner), language)
    page.locator("activity-log tr.row").nth(2).wait_for()
    rows = page.locator("activity-log tr.row")
    opened = open_row(page, "Ana Trujillo")
    # By keyboard: one tab stop a value, arrows in the menu, Escape closes the menu but not the row.
    opened.locator("[data-pivot=customer]").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("menuitem", name=says["only"]).wait_for()
    is_accessible(page)
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("menuitem", name=says["not"]).evaluate("item => item.matches(':focus')")
    page.keyboard.press("Escape")
    page.get_by_role("menu").wait_for(state="detached")
    assert opened.locator("[data-pivot=customer]").evaluate("button => button.matches(':focus')") and opened.is_visible()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    rows.nth(1).wait_for(state="detached")
    assert address(page)["customer"] == ["!fabrikam"]
    page.go_back()
    rows.nth(2).wait_for()

    opened = open_row(page, "Ana Trujillo")
    choose(page, opened, "actor", says["around"])
    rows.nth(1).wait_for(state="detached")
    query = address(page)
    assert query["user"] == ["ana@contoso.example"] and "T" in query["from"][0] and "T" in query["to"][0]
    page.go_back()
    rows.nth(2).wait_for()

    opened = open_row(page, "Ana Trujillo")
    opened.get_by_role("button", name=says["same"], exact=True).click()
    rows.nth(2).wait_for(state="detached")
    assert address(page)["target"] == ["s-1"]
    opened = open_row(page, "Béa")
    opened.locator(".related").get_by_role("button", name=says["correlation"], exact=True).click()
    rows.nth(1).wait_for(state="detached")
    assert address(page)["correlation"] == ["c-2"] and "target" not in address(page)


def test_history_says_who_changed_an_object(window, stack, person, partner):
    partner.record([
        subscription(occurred_at=ago(days=500), action="subscription.created", changes=[]),
        subscription(occurred_at=ago(days=400), actor={"id": "bea@contoso.example", "name": "Béa Åkesson"}, changes=[{"field": "auto_renew", "old": True, "new": False}]),
        subscription(),
        subscription("s-2"),
        order(target={"type": "order", "id": "o-9"}, details={"lines": [{"sku": "A", "quantity": 1, "subscription_id": "s-1"}]}),
    ])  # fmt: skip
    page = window("en")
    sign_in(page, stack, person(partner), query="?status=succeeded")
    page.locator("activity-log tr.row").nth(2).wait_for()
    opened = open_row(page, "Tailspin")
    opened.locator("[data-pivot='line s-1']").wait_for()
    choose(page, opened, "line s-1", "History of this subscription")
    dialog = page.get_by_role("dialog")
    steps = dialog.locator(".steps > li")
    steps.nth(2).wait_for()
    assert steps.count() == 3
    assert address(page)["history"] == ["target:s-1"]
    in_order(dialog.inner_text(), "Enterprise E3", "Quantity 28 → 19", "Béa Åkesson", "Automatic renewal yes → no", "Subscription created")
    is_accessible(page)
    dialog.get_by_label("Changes of").select_option(label="Automatic renewal")
    steps.first.wait_for(state="hidden")
    assert [step.is_visible() for step in steps.all()] == [False, True, False]
    steps.nth(1).get_by_role("button", name=re.compile("^Details")).click()
    dialog.locator("[data-pivot=actor]").click()
    # The menu closes first, then the dialog.
    page.keyboard.press("Escape")
    page.get_by_role("menu").wait_for(state="detached")
    choose(page, dialog, "actor", "History of this user")
    dialog.get_by_role("heading", name="History of this user").wait_for()
    steps.first.wait_for()
    assert steps.count() == 1 and "Fabrikam SARL" in steps.first.inner_text()
    page.set_viewport_size({"width": 320, "height": 900})
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    page.go_back()
    dialog.get_by_role("heading", name="History of this subscription").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert "history" not in address(page) and address(page)["status"] == ["succeeded"]


def test_link_opens_a_history(window, stack, person, partner):
    partner.record([subscription(), subscription("s-2")])
    page = window("fr")
    sign_in(page, stack, person(partner), "fr", query="?" + urlencode({"history": "target:s-1"}))
    dialog = page.get_by_role("dialog")
    dialog.locator(".steps > li").first.wait_for()
    assert dialog.locator(".steps > li").count() == 1
    assert dialog.get_by_role("heading").first.inner_text() == "Historique de l’abonnement"


def test_next_and_previous_move_through_the_rows(window, stack, person, partner):
    partner.record([subscription(f"s-{number}", occurred_at=ago(minutes=number), correlation_id=f"c-{number}") for number in range(3)])
    page = window("en")
    sign_in(page, stack, person(partner))
    page.locator("activity-log tr.row").nth(2).wait_for()
    page.locator("activity-log .toggle").first.click()
    opened = page.locator("activity-log tr.opened")
    for number in (1, 2):
        tab_to(page, "Next", kind="next")
        page.keyboard.press("Enter")
        opened.get_by_text(f"s-{number}", exact=True).wait_for()
        assert opened.count() == 1
    assert opened.locator(".next").get_attribute("aria-disabled") == "true"
    opened.locator(".previous").click()
    opened.get_by_text("s-1", exact=True).wait_for()
    assert opened.count() == 1


@pytest.mark.parametrize("language", TRIED_LANGUAGES)
def test_link_opens_one_activity(window, stack, person, partner, language):
    partner.record([subscription("s-1", occurred_at=ago(days=2)), subscription("s-2")])
    user = person(partner)
    page = window(language)
    sign_in(page, stack, user, language)
    page.locator("activity-log tr.row").nth(1).wait_for()
    page.locator("activity-log .toggle").last.click()
    page.locator("activity-log tr.opened").get_by_role("button", name=DETAILS[language]["link"]).click()
    page.locator("activity-log tr.opened [role=status]").filter(has_text=re.compile(r"\w")).first.wait_for()
    link = urlsplit(page.evaluate("navigator.clipboard.readText()"))
    query = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert query["partner"] == partner.name and query["from"] == query["to"]
    page.context.close()

    def follow(changes):
        again = window(language)
        sign_in(again, stack, user, language, query="?" + urlencode(query | changes))
        return again

    page = follow({})
    page.locator("activity-log tr.opened .metadata").wait_for()
    assert not page.locator("activity-log .permalink").is_visible()
    page.context.close()
    # Another period, so that the list does not have the row.
    page = follow({"from": "2024-01-01", "to": "2024-01-02"})
    panel = page.locator("activity-log .permalink")
    panel.locator(".metadata").wait_for()
    assert "s-1" in panel.inner_text() and "Fabrikam SARL" in panel.inner_text()
    is_accessible(page)
    panel.locator(".close").click()
    assert not panel.is_visible() and "activity" not in address(page)
    page.context.close()
    page = follow({"partner": "another-partner"})
    panel = page.locator("activity-log .permalink")
    panel.get_by_text("another-partner").first.wait_for()
    assert partner.name in panel.inner_text()
    page.context.close()
    page = follow({"activity": "2024-01-01T00:00:00.000000Z~nothing"})
    page.locator("activity-log .permalink [role=alert]").wait_for()
