"""Take screenshots of pages on a desktop and a phone, in docs/screenshots."""

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from infra.local.app_server import ROOT

FOLDER = ROOT / "docs/screenshots"
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


def phone_of(browser: Browser, desk: BrowserContext) -> BrowserContext:
    """Return a phone's browser with the desktop's session."""
    return browser.new_context(
        viewport=PHONE,
        is_mobile=True,
        has_touch=True,
        device_scale_factor=1.5,
        storage_state=desk.storage_state(),
    )


def photograph(page: Page, name: str, top: str = "") -> None:
    """Write docs/screenshots/NAME.png of the visible page; `top` selects where it begins."""
    page.wait_for_load_state("networkidle")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if top:
        page.locator(top).first.evaluate("element => scrollTo(0, element.getBoundingClientRect().top - 24)")
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1024} KB")
