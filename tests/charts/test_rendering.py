"""SVG, PNG and Vega-Lite of figures: that they are what they should be, whatever names attempts have."""

from __future__ import annotations

import json
import re
import struct
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from builders import (
    ROUNDS,
    a_configuration,
    a_failure,
    a_judgement,
    a_machine,
    a_recipe,
    an_attempt,
    months,
    some_findings,
    some_run,
    times,
)
from lstm_bench import Observed, charts
from lstm_bench.charts import KINDS, rendering, theme
from lstm_bench.errors import LSTMBenchError, UnknownName
from lstm_bench.version import pip_line

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def figure():
    runs = [*some_run(*ROUNDS, backend="torch"), *some_run(*times(2), backend="jax"), a_failure(9)]
    return charts.draw(KINDS["throughput"], runs)


def words(root):
    return [text.text for text in root.iter(f"{SVG}text") if text.text]


def test_an_svg_is_xml_with_title_names_and_what_is_not_drawn(figure):
    root = ElementTree.fromstring(rendering.svg(figure))
    assert root.tag == f"{SVG}svg"
    assert {"Throughput", "torch", "jax", "train, sequences per second"} <= set(words(root))
    assert "1 attempt (1 crashed)" in " ".join(words(root))
    assert float(root.get("width")) <= theme.WIDTH + 40


@pytest.mark.parametrize("chosen", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_a_theme_colours_paper_and_ink(chosen, figure):
    drawn = rendering.svg(figure, chosen)
    other = theme.DARK if chosen is theme.LIGHT else theme.LIGHT
    assert all(colour in drawn for colour in (chosen.ink, chosen.muted, chosen.paper))
    assert not any(colour in drawn for colour in (other.ink, other.muted, other.grid, other.paper))


def test_a_png_has_two_pixels_for_each_of_the_svg(figure):
    content = rendering.png(figure)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    root = ElementTree.fromstring(rendering.svg(figure))
    size = struct.unpack(">II", content[16:24])
    assert size == tuple(pytest.approx(2 * float(root.get(side)), abs=2) for side in ("width", "height"))


def test_the_vega_lite_names_its_schema_and_holds_its_data(figure):
    spec = json.loads(rendering.WRITERS[".json"](figure, theme.LIGHT))
    assert "vega-lite" in spec["$schema"]
    assert "url" not in json.dumps(spec).replace(spec["$schema"], "")


# --- within a page


def test_an_inline_svg_takes_its_ink_from_the_page(figure):
    drawn = rendering.inline(figure)
    assert f"var(--ink, {theme.LIGHT.ink})" in drawn
    assert f"var(--muted, {theme.LIGHT.muted})" in drawn
    bare = re.sub(r"var\(--\w+, #\w+\)", "", drawn)
    assert not any(colour in bare for colour in (theme.LIGHT.ink, theme.LIGHT.muted, theme.LIGHT.grid))
    assert all(
        look.colour in drawn
        for look in theme.looks(["jax", "torch"]).values()
        if look.colour in (theme.FIXED["jax"], theme.FIXED["torch"])
    )


def test_an_inline_svg_fits_its_place_and_says_what_it_is(figure):
    root = ElementTree.fromstring(rendering.inline(figure))
    assert (root.get("width"), root.get("height"), root.get("role")) == ("100%", None, "img")
    assert len(root.get("viewBox").split()) == 4
    by_id = {element.get("id"): element for element in root.iter() if element.get("id")}
    title, desc = (by_id[name] for name in root.get("aria-labelledby").split())
    assert (title.text, "crashed" in desc.text) == ("Throughput", True)


def test_an_inline_svg_runs_nothing_and_fetches_nothing(figure):
    root = ElementTree.fromstring(rendering.inline(figure))
    assert not [e for e in root.iter() if e.tag.removeprefix(SVG) in ("script", "foreignObject", "image", "use", "a")]
    attributes = [(name, value) for e in root.iter() for name, value in e.attrib.items()]
    assert not [name for name, _ in attributes if name == "class"]  # which a style of the page could be for
    assert not [name for name, _ in attributes if name.startswith("on") or name.endswith("href")]
    assert not [value for _, value in attributes if "url(" in value and "url(#" not in value]


def test_pictures_in_one_page_share_no_id():
    made = charts.pictures([*some_run(*ROUNDS), *some_run(*times(2), backend="jax")])
    assert [picture.kind for picture in made] == ["throughput", "start", "loss"]
    ids = [found for picture in made for found in re.findall(r'\bid="([^"]+)"', picture.svg)]
    assert len(ids) == len(set(ids)) > 0
    used = {found for picture in made for found in re.findall(r"url\(#([^)]+)\)", picture.svg)}
    assert used <= set(ids)


def test_a_picture_has_title_and_caption_outside_its_svg():
    (picture, *_) = charts.pictures(some_run(*ROUNDS))
    assert picture.title == "Throughput"
    assert "95% intervals" in picture.caption
    assert picture.title not in words(ElementTree.fromstring(picture.svg))


# --- hostile names

HOSTILE = {
    "html": "<script>alert(1)</script>",
    "entity": "&lt;b&gt; & co",
    "quotes": "\"'` onload=x",
    "expression": "' + datum.x + '",
    "template": "{x} ${y} %s",
    "bars": "a|b||c\\|d",
    "formula": "=cmd()",
    "path": "../../etc/passwd",
    "line break": "a\nb\r\nc",
    "terminal": "\x1b[2J\x1b]0;title\x07",
    "zero": "a\x00b\x9b",
    "not of XML": "a\ufffe\uffffb",
    "right to left": "\u202eexe.txt",
    "latex": "\\end{tabular}",
    "field": "a.b[0]",
    "comment": "--> <!-- ]]>",
    "Chinese": "模型",
    "Arabic": "نموذج",
    "emoji": "🙂",
    "nothing": "",
    "long": "<script>alert(1)</script>|" * 8_000,
}
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


def hostile_attempts(text):
    """Two backends on three tasks, all of whose texts are this one, and a failure."""
    judged = a_judgement(
        unit=text, metric=text, metrics={text: 0.5}, baselines={text: {text: 2.0}}, series={text: (1.0,) * 12}
    )
    observed = Observed(
        forecast=text, title=text, times=months("1949-12", 24), values=(2.0,) * 24, baselines={text: (3.0,) * 12}
    )
    findings = {
        "machine": a_machine(processor=text, system=text),
        "judgement": judged,
        "kernel_path": text,
        "observed": observed,
    }
    recipe = a_recipe(text, summary=text)
    made = []
    for delay in ("1", "2"):
        for backend in (text, f"{text}2"):
            made += some_run(
                *ROUNDS,
                run=text,
                backend=backend,
                task=text,
                recipe=recipe,
                device=text,
                findings=findings,
                task_options={"delay": delay, text: text},
                backend_options={text: text},
                versions={text: text},
            )
    return [*made, a_failure(99, reason=text, output_tail=text)]


@hostile
def test_any_name_stays_text(text):
    made = charts.pictures(hostile_attempts(text))
    assert {picture.kind for picture in made} >= {"throughput", "loss", "start", "forecast", "close-up"}
    for picture in made:
        root = ElementTree.fromstring(picture.svg)
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
            "svg",
            "g",
            "path",
            "text",
            "tspan",
            "line",
            "rect",
            "title",
            "desc",
            "defs",
            "clipPath",
        }
        assert "<script" not in picture.svg
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ufffe\uffff]", picture.svg)
        assert len(picture.svg) < 400_000
    seen = " ".join(words(ElementTree.fromstring(made[0].svg)))
    readable = " ".join(text.split())[:20]
    if readable.isprintable():
        assert readable in seen


@pytest.mark.parametrize("kind", ["throughput", "scaling", "loss", "recall"])
def test_names_without_end_leave_room_for_what_is_drawn(kind):
    spec = rendering.specification(charts.draw(KINDS[kind], hostile_attempts(HOSTILE["long"])))
    widths = re.findall(r'"width": (-?[0-9.]+)', json.dumps(spec))
    assert len(widths) > 0
    assert min(map(float, widths)) >= 100


@pytest.mark.parametrize("suffix", [".svg", ".png", ".json"])
@pytest.mark.parametrize(
    "text", [HOSTILE["html"], HOSTILE["not of XML"], HOSTILE["Arabic"]], ids=["html", "xml", "rtl"]
)
def test_every_format_takes_any_name(text, suffix, tmp_path):
    file = tmp_path / f"chart{suffix}"
    rendering.write(charts.draw(KINDS["throughput"], hostile_attempts(text)), file)
    assert file.stat().st_size > 1000


# --- many, few and none


@pytest.mark.parametrize("attempts", [[], [a_failure()], [a_failure(n, status="timeout") for n in range(3)]])
def test_nothing_that_went_well_has_no_pictures(attempts):
    assert charts.pictures(attempts) == []


def test_one_attempt_has_pictures():
    made = charts.pictures([an_attempt(findings=some_findings(seconds={"build": 0.1, "first step": 0.2}))])
    assert [picture.kind for picture in made] == ["throughput", "loss"]


def test_two_thousand_attempts_have_pictures_of_a_sensible_size():
    attempts = [
        attempt
        for number in range(1000)
        for backend in ("torch", "jax")
        for attempt in some_run(1.0, run=f"{number:04}", backend=backend, task=f"task{number}")
    ]
    made = charts.pictures(attempts)
    assert {"throughput", "start", "loss"} <= {picture.kind for picture in made}
    for picture in made:
        assert "Left out: 994 of 1000" in picture.caption
        assert len(picture.svg) < 500_000


# --- colours


def contrast(colour, other):
    """By WCAG 2.2: the ratio of relative luminances."""

    def luminance(text):
        parts = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("chosen", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_everything_stands_out_from_the_paper(chosen):
    assert contrast(chosen.ink, chosen.paper) > 12
    assert contrast(chosen.muted, chosen.paper) > 4.5
    for colour in (*theme.FIXED.values(), *theme.FREE):
        assert contrast(colour, chosen.paper) >= 3, colour


def test_no_two_backends_look_the_same():
    names = [*theme.FIXED, *(f"torch[impl={number}]" for number in range(20))]
    found = theme.looks(names)
    assert len({(look.colour, look.shape) for look in found.values()}) == len(names)


def test_a_built_in_backend_looks_the_same_whatever_stands_beside_it():
    for name in ("torch", "keras[engine=jax]", "keras[engine=torch]"):
        assert theme.looks([name])[name] == theme.looks(["a", name, "zzz"])[name]


# --- files


def test_a_file_is_written_whole_or_not_at_all(figure, tmp_path):
    file = tmp_path / "a.svg"
    rendering.write(figure, file)
    assert [found.name for found in tmp_path.iterdir()] == ["a.svg"]
    with pytest.raises(LSTMBenchError, match=r"cannot write .*a\.svg: there is no folder "):
        rendering.write(figure, tmp_path / "nowhere" / "a.svg")


@pytest.mark.parametrize("name", ["a.pgn", "a", "a.svg.gz"])
def test_an_unknown_suffix_is_told_those_that_there_are(name, figure, tmp_path):
    with pytest.raises(UnknownName, match=r"There is: \.json, \.png, \.svg"):
        rendering.write(figure, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_chart_without_the_extra_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "altair", None)
    with pytest.raises(LSTMBenchError, match=re.escape(pip_line("report"))):
        charts.pictures(some_run(1.0))


def test_what_was_tried_again_is_drawn_once():
    first, *rest = some_run(*ROUNDS)
    again = replace(first, id=first.id.replace("0123abcd", "f123abcd"))
    _, *notes = charts.draw(KINDS["throughput"], [replace(first, status="disturbed"), again, *rest]).notes
    assert not any("disturbed" in note for note in notes)


def test_cells_that_failed_on_every_machine_do_not_hide_the_others():
    figure = charts.draw(
        KINDS["throughput"], [*some_run(*ROUNDS), a_failure(50, configuration=a_configuration(backend="keras"))]
    )
    assert any("1 attempt (1 crashed)" in note for note in figure.notes)
