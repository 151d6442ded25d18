"""Takes the screenshots in docs/page, from the demo data of `make up`."""

import base64
import json
import os
import re
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("e2e", "amounts")]

from browser import CHROMIUM, SWITCHES

DIRECTORY = ROOT / "docs" / "page"


def main():
    given = Path(os.environ["STACK_JSON"])
    if not given.exists() or not CHROMIUM:
        sys.exit("Run make up and make browser first.")
    stack = json.loads(given.read_text())
    user = stack["users"][0]
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, "--lang=en-GB"])

        def signed_in_page(locale, **options):
            opened = browser.new_context(locale=locale, timezone_id="Europe/Paris", **options).new_page()
            opened.goto(stack["portal_url"])
            opened.locator("#sign-in").click()
            opened.locator("input[name=username]").fill(user["name"])
            opened.locator("input[name=password]").fill(user["password"])
            opened.keyboard.press("Enter")
            opened.locator("activity-log tr.row").first.wait_for()
            return opened

        def save_screenshot(shown, name):
            """Saves a page as WebP, a quarter of a PNG's size, by the browser's protocol, because Playwright writes no WebP."""
            shown.evaluate("document.activeElement?.shadowRoot?.activeElement?.blur()")
            picture = shown.context.new_cdp_session(shown).send("Page.captureScreenshot", {"format": "webp", "quality": 60})
            (DIRECTORY / f"{name}.webp").write_bytes(base64.b64decode(picture["data"]))

        wide = {"viewport": {"width": 1200, "height": 760}}
        log = signed_in_page("en-GB", **wide)
        save_screenshot(log, "log-en")
        row = log.locator("activity-log tr.row", has_text=re.compile("Order created")).first
        row.locator("button").click()
        log.locator("activity-log tfoot").first.wait_for()
        row.evaluate("element => element.scrollIntoView()")
        log.mouse.wheel(0, -60)
        log.wait_for_timeout(300)
        save_screenshot(log, "order-en")
        french = signed_in_page("fr-FR", color_scheme="dark", **wide)
        save_screenshot(french, "log-fr-dark")
        french.get_by_role("button", name="Exporter le journal").click()
        save_screenshot(french, "export-fr-dark")
        french.get_by_role("dialog").get_by_role("button", name="Exporter", exact=True).click()
        french.locator("activity-log .exporting").get_by_role("button", name=re.compile("Télécharger")).wait_for(timeout=120_000)
        french.get_by_role("button", name="Exports", exact=True).click()
        french.get_by_role("button", name="Enregistrer").wait_for()
        save_screenshot(french, "exports-fr-dark")
        small = signed_in_page("fr-FR", viewport={"width": 390, "height": 800})
        small.locator("activity-log .count").evaluate("element => element.scrollIntoView()")
        save_screenshot(small, "narrow-fr")
        browser.close()


if __name__ == "__main__":
    main()
