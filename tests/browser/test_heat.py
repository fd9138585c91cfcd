"""The page in a real browser: the heat map, rows that open, the first click on a column, and what axe finds."""

from __future__ import annotations

import pytest

from browsing import ROWS


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_axe_finds_no_barrier(visit, published, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    page = visit(published, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.locator(".more summary").first.click()
    page.locator(".opener").first.click()
    found = axe.run(page).response["violations"]
    assert [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found] == []


def heat(page):
    """The fields of the heat map's first row: text, strength of the colour, and whether it is hatched."""
    return page.evaluate(
        """[...document.querySelectorAll('#heat tbody tr:first-child td')].map(
            (field) => [field.textContent, field.style.getPropertyValue('--heat'), field.classList.contains('tie')])"""
    )


def test_the_heat_map_is_compared_with_whom_one_chooses(visit, published):
    page = visit(published)
    before = heat(page)
    names = page.locator("#heat thead th").all_text_contents()[1:]
    torch, slowest = names.index("torch"), names.index("keras[engine=torch]")
    assert before[slowest][0] == "1.0x"
    page.locator("#heat-choice").select_option(label="torch")
    after = heat(page)
    assert after[torch] == ["1.0x", "0%", False]
    assert float(after[slowest][0].removesuffix("x")) < 1
    assert page.locator("#heat-base").text_content() == "torch"
    page.locator("#heat-choice").select_option(index=0)
    assert [text for text, _, _ in heat(page)] == [text for text, _, _ in before]


def test_a_click_anywhere_on_a_row_opens_it(visit, published):
    page = visit(published)
    row = page.locator(ROWS).first
    opener, panel = row.locator(".opener"), row.locator(".panel")
    row.locator("td").nth(2).click()
    assert panel.is_visible()
    assert opener.get_attribute("aria-expanded") == "true"
    opener.click()
    assert not panel.is_visible()


def test_the_first_click_on_a_speed_sorts_the_fastest_first(visit, published):
    page = visit(published)
    for title, order in (("train seq/s", "descending"), ("vs fastest", "ascending"), ("memory", "ascending")):
        header = page.locator("#part-1 thead th", has_text=title).first
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == order


def test_where_no_row_matches_that_is_said(visit, published):
    page = visit(published)
    nothing = page.locator("#nothing")
    assert not nothing.is_visible()
    page.locator("[name=q]").fill("no row has this word")
    assert nothing.is_visible()
    page.locator("button[type=reset]").click()
    nothing.wait_for(state="hidden")
