"""The page in a real browser: Chromium without a screen, driven by Playwright."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from browsing import HOSTILE, PHONE, RESULTS, ROWS
from lstm_bench.record.store import read_folder


def rows(page):
    return page.locator(ROWS).count()


def column(page, table, title):
    """The texts of a column of a table, baselines left out."""
    titles = table.locator("thead th").all_inner_texts()
    at = [text.strip() for text in titles].index(title)
    return [row.locator("> tr").first.locator("> *").nth(at).inner_text() for row in table.locator(ROWS).all()]


def test_filters_narrow_all_tables_at_once_and_stand_in_the_address(visit, published):
    page = visit(published)
    every = rows(page)
    page.select_option("select[name=backend]", "jax")
    fewer = rows(page)
    assert 0 < fewer < every
    assert {row.get_attribute("data-backend") for row in page.locator(ROWS).all()} == {"jax"}
    assert page.locator("#shown").inner_text() == f"{fewer} of {every} rows"
    assert "backend=jax" in page.url
    page.fill("input[name=q]", "gru")
    assert 0 < rows(page) < fewer
    page.click("button[type=reset]")
    page.wait_for_function(f"document.querySelectorAll({json.dumps(ROWS)}).length === {every}")
    assert "#" not in page.url


def test_text_is_looked_for_in_the_title_of_a_table_and_in_its_rows(visit, published):
    page = visit(published)
    page.fill("input[name=q]", "MNIST jax")
    assert page.locator("main > section:visible h2").all_inner_texts()[0] == "mnist-rows:default"
    assert {row.get_attribute("data-backend") for row in page.locator(ROWS).all()} == {"jax", "keras[engine=jax]"}


def test_an_address_that_was_passed_on_shows_the_same_rows(visit, published):
    page = visit(published, "#?backend=torch")
    assert {row.get_attribute("data-backend") for row in page.locator(ROWS).all()} == {"torch"}
    assert page.locator("select[name=backend]").input_value() == "torch"


def test_how_a_table_is_sorted_stands_in_the_address_and_is_undone_without_it(visit, published):
    page = visit(published)
    table = page.locator("main > section table").first
    before = column(page, table, "backend")
    speeds = column(page, table, "train seq/s")
    header = table.locator("thead th button", has_text="train seq/s")
    header.click()
    assert page.url.endswith("#?sort-1=-train+seq%2Fs")
    header.click()
    assert page.url.endswith("#?sort-1=train+seq%2Fs")
    header.click()
    page.select_option("select[name=device]", "cpu")
    passed_on = visit(published, page.url[page.url.index("#") :])
    same = passed_on.locator("main > section table").first
    assert column(passed_on, same, "train seq/s") == column(page, table, "train seq/s") != speeds
    assert passed_on.locator("th[aria-sort=descending]").count() == 1
    passed_on.evaluate("location.hash = '#?'")
    passed_on.wait_for_function("document.querySelectorAll('th[aria-sort]').length === 0")
    assert column(passed_on, same, "backend") == before


def test_an_address_that_sorts_by_a_column_that_is_not_there_changes_nothing(visit, published):
    plain, other = visit(published), visit(published, "#?sort-1=-taste&sort-99=backend")
    assert other.locator("th[aria-sort]").count() == 0
    assert other.locator("main").inner_text() == plain.locator("main").inner_text()


def test_a_link_within_the_page_goes_there_and_leaves_the_address(visit, published):
    page = visit(published, "#?backend=torch")
    page.click("nav a >> nth=-1")
    page.wait_for_function("document.querySelector('#notes').getBoundingClientRect().top < innerHeight")
    assert page.evaluate("document.activeElement.id") == "notes"
    assert page.url.endswith("#?backend=torch")


def test_a_table_without_a_row_that_fits_is_hidden(visit, published):
    page = visit(published)
    page.select_option("select[name=task]", "copy:default")
    assert page.locator("main > section:visible h2").all_inner_texts() == ["copy:default", "How to read it"]


def test_a_column_is_sorted_by_its_numbers_and_back(visit, published):
    page = visit(published)
    table = page.locator("section > .scroll > table:not(.map)").first
    button = table.locator("thead button", has_text="train seq/s")
    before = len(column(page, table, "train seq/s"))
    button.click()
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    values = [float(text.split()[0].replace(",", "")) for text in column(page, table, "train seq/s")]
    assert len(values) == before
    assert values == sorted(values, reverse=True)
    button.click()
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    again = [float(text.split()[0].replace(",", "")) for text in column(page, table, "train seq/s")]
    assert again == values[::-1]
    assert "baseline" in table.locator("> tbody").last.get_attribute("class")


def test_a_row_opens_with_its_numbers_and_closes(visit, published):
    page = visit(published)
    opener = page.locator(".opener").first
    panel = page.locator(f"#{opener.get_attribute('aria-controls')}")
    assert panel.is_hidden()
    opener.click()
    assert opener.get_attribute("aria-expanded") == "true"
    text = panel.inner_text()
    for words in ("95% interval", "protocol", "inference ran on", "Beside the float64 reference", "lstm-bench run -b"):
        assert words in text
    opener.click()
    assert panel.is_hidden()


def test_a_sorted_row_takes_its_panel_along(visit, published):
    page = visit(published)
    table = page.locator("section > .scroll > table:not(.map)").first
    opener = table.locator(".opener").first
    opener.click()
    table.locator("thead button").last.click()
    table.locator("thead button", has_text="params").click()
    body = table.locator("tbody", has=page.locator("[aria-expanded=true]"))
    assert body.count() == 1
    assert body.locator(".panel").is_visible()


def test_an_attempt_is_one_click_away_as_it_was_stored(visit, published):
    page = visit(published)
    page.locator(".opener").first.click()
    button = page.locator(".panel:visible button.raw").first
    button.click()
    page.wait_for_selector("dialog[open]")
    shown = json.loads(page.locator("#raw-text").inner_text())
    assert shown["id"] == button.get_attribute("data-id")
    stored = next(attempt for attempt in read_folder(RESULTS)[0] if attempt.id == shown["id"])
    assert shown["configuration"]["backend"] == stored.configuration.backend
    assert shown["findings"]["timings"]["train"]["block_ns"] == list(stored.findings.timings["train"].block_ns)
    with page.expect_download() as download:
        page.click("#raw-save")
    assert json.loads(Path(download.value.path()).read_text()) == shown
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_is_what_the_system_has_until_somebody_chooses(visit, published):
    light, dark = background(visit(published, color_scheme="light")), background(visit(published, color_scheme="dark"))
    assert light != dark
    page = visit(published, color_scheme="light")
    page.click("#theme")
    assert background(page) == dark
    ink = "getComputedStyle(document.querySelector('figure svg text')).fill"
    in_dark = page.evaluate(ink)
    page.reload()
    assert background(page) == dark
    page.click("#theme")
    assert background(page) == light
    assert page.evaluate(ink) != in_dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(visit, published, scheme):
    page = visit(published, color_scheme=scheme)
    page.locator(".opener").first.click()
    ratios = page.evaluate(
        """() => {
          // a canvas turns every notation of a colour into red, green and blue
          const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          const light = (colour) => {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
            const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
              .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const paper = (element) => {
            const colour = getComputedStyle(element).backgroundColor;
            return colour.endsWith(", 0)") && element.parentElement ? paper(element.parentElement) : colour;
          };
          return [...document.querySelectorAll("p, li, td, th, dt, dd, a, .badge, figcaption, h1, h2, label")]
            .filter((element) => element.innerText && element.offsetParent)
            .map((element) => {
              const [ours, theirs] = [light(getComputedStyle(element).color), light(paper(element))];
              const ratio = (Math.max(ours, theirs) + 0.05) / (Math.min(ours, theirs) + 0.05);
              return [ratio, element.innerText.slice(0, 40)];
            });
        }"""
    )
    assert ratios
    assert [found for found in ratios if found[0] < 4.5] == []  # WCAG 2.2, 1.4.3


def test_on_a_phone_nothing_is_wider_than_the_screen(visit, published):
    page = visit(published, **PHONE)
    page.locator(".opener").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    table = page.locator("main section > .scroll").first
    assert table.evaluate("(box) => box.scrollWidth > box.clientWidth")  # which scrolls by itself
    table.evaluate("(box) => { box.scrollLeft = 300 }")
    left = page.locator("tbody.row > tr > th").first.bounding_box()["x"]
    assert 0 <= left < 40  # and still says whose row it is


def test_on_a_phone_no_word_of_an_open_row_is_broken(visit, published):
    page = visit(published, **PHONE)
    page.locator(".opener").first.click()
    lines = page.evaluate(
        """() => [...document.querySelectorAll("table.small th")]
          .filter((element) => element.offsetParent && !/\\s/.test(element.textContent.trim()))
          .map((element) => {
            const range = document.createRange();
            range.selectNodeContents(element);
            return [element.textContent, range.getClientRects().length];
          })"""
    )
    assert ["train", 1] in lines
    assert [found for found in lines if found[1] != 1] == []


def test_a_dark_page_is_printed_as_a_light_one(visit, published):
    ink = "getComputedStyle(document.body).color"
    light = visit(published, color_scheme="light").evaluate(ink)
    page = visit(published, color_scheme="dark")
    assert page.evaluate(ink) != light
    page.emulate_media(media="print")
    assert page.evaluate(ink) == light
    page.emulate_media(media="screen", color_scheme="light")
    page.click("#theme")
    assert page.evaluate(ink) != light
    page.emulate_media(media="print")
    assert page.evaluate(ink) == light


def test_all_of_it_is_done_by_keyboard(visit, published):
    page = visit(published)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.locator("thead button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=ascending]").count() == 1
    page.locator(".opener").first.focus()
    page.keyboard.press("Space")
    assert page.locator(".opener").first.get_attribute("aria-expanded") == "true"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "raw":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "raw"  # where one was before
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_hostile_names_stay_text_in_a_browser(visit, hostile):
    page = visit(hostile)
    for opener in page.locator(".opener").all():
        opener.click()
    page.locator(".panel:visible button.raw").first.click()
    page.wait_for_selector("dialog[open]")
    assert page.evaluate("document.title").startswith("<script>")
    assert page.locator("img").count() == 0
    assert HOSTILE in json.loads(page.locator("#raw-text").inner_text())["configuration"]["backend"]


def test_without_javascript_all_of_it_can_be_read(visit, published):
    page = visit(published, java_script_enabled=False)
    assert page.locator(".panel").first.is_visible()
    assert page.locator("#filters").is_hidden()


def test_every_control_has_a_name_and_every_id_is_there_once(visit, published):
    page = visit(published)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, [role=region], [role=img], summary, a[href]")]
          .filter((element) => !(element.textContent.trim() || element.getAttribute("aria-label")
            || element.getAttribute("aria-labelledby") || element.closest("label")?.textContent.trim()))
          .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    repeated = page.evaluate(
        """() => {
          const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
          return ids.filter((id, at) => ids.indexOf(id) !== at);
        }"""
    )
    assert repeated == []
    dangling = page.evaluate(
        """() => [...document.querySelectorAll("[aria-labelledby], [aria-controls]")]
          .map((element) => element.getAttribute("aria-labelledby") ?? element.getAttribute("aria-controls"))
          .flatMap((ids) => ids.split(" "))
          .filter((id) => !document.getElementById(id))"""
    )
    assert dangling == []
