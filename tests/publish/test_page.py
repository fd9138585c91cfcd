"""The page as a file: its content, its form, and hostile names, which stay text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from builders import ROUNDS, a_configuration, a_failure, a_machine, a_recipe, an_attempt, some_findings, some_run, times
from lstm_bench.cli import main
from lstm_bench.publish.page import MOST_RAW_BYTES, render
from lstm_bench.publish.page.command import reproduce
from lstm_bench.record.configuration import EFFORTS
from lstm_bench.record.store import latest, read_folder

pytest.importorskip("altair", reason="the page has charts")

RESULTS = Path(__file__).parents[2] / "results"

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "=cmd()",
    "../../etc",
    "a\nb",
    "</script>",
]

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Reader(HTMLParser):
    """The elements and texts of a page; asserts that elements are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag, **attributes):
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]


def unpacked(page):
    packed = re.search(r'id="packed">([^<]*)<', page)[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_every_attempt_is_in_it_as_it_was_stored():
    attempts = [*some_run(*ROUNDS), a_failure(900)]
    assert unpacked(render(attempts)) == [json.loads(msgspec.json.encode(attempt)) for attempt in attempts]


def test_the_same_attempts_give_the_same_bytes():
    attempts = some_run(*ROUNDS)
    assert render(attempts) == render(attempts)


def test_it_asks_for_nothing_from_anywhere():
    reader = Reader(render([*some_run(*ROUNDS), *some_run(*times(2), backend="jax")]))
    for name, attributes in reader.elements:
        for key in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:")), (name, key, value)


def test_its_own_script_is_the_only_one_that_may_run():
    page = render(some_run(*ROUNDS))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (script,) = scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"\son\w+=", re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    configuration = a_configuration(
        backend=name,
        task=name,
        backend_options={name: name},
        device=name,
        changes={"cell": name},
        recipe=a_recipe(name, summary=name),
    )
    findings = some_findings(versions={name: name}, kernel_path=name, machine=a_machine(processor=name))
    page = render(
        [
            an_attempt(configuration=configuration, findings=findings),
            a_failure(2, configuration=configuration, reason=name, output_tail=name),
        ]
    )
    reader = Reader(page)
    assert reader.all("img") == []
    assert len(reader.all("script")) == 2
    shown = " ".join("".join(reader.texts).split())
    assert " ".join(name.split()) in shown
    assert "{{ 7 * 7 }}" in shown or "7" not in name


def test_a_name_of_200_kb_is_cut():
    page = render([an_attempt(configuration=a_configuration(backend="x" * 200_000))])
    assert max(map(len, Reader(page).texts)) < 3000


def test_a_failure_shows_its_status_its_reason_and_what_it_had_said():
    page = render([*some_run(*ROUNDS), a_failure(900, reason="it fell over", output_tail="last words")])
    reader = Reader(page)
    assert "crashed" in [text.strip() for text in reader.texts]
    assert "round 1: crashed: it fell over" in " ".join(reader.texts)
    assert "last words" in reader.texts
    assert re.search(r'class="badge bad">1</span> row is not ok', page)
    assert "Not ok: torch on flights:tutorial (cpu, float32) (crashed)." in page


def test_failures_alone_are_a_page():
    assert "crashed" in render([a_failure(1), a_failure(2, configuration=a_configuration(backend="jax"))])


def test_one_attempt_is_a_page():
    assert "1 row from 1 measurement," in render([an_attempt()])


def test_names_in_other_scripts_are_shown():
    page = render(
        [
            an_attempt(configuration=a_configuration(backend="長短期記憶")),
            an_attempt(2, configuration=a_configuration(backend="ذاكرة")),
        ]
    )
    assert "長短期記憶" in page
    assert "ذاكرة" in page


def test_two_machines_are_said_and_never_compared():
    other = some_run(*times(3), backend="jax", run="b", findings={"machine": a_machine(processor="Abacus 10")})
    page = render([*some_run(*ROUNDS), *other])
    assert "Measured on 2 machines. Times of different machines are never compared: Abacus 9 with 2 processors" in page
    assert "<strong>" not in re.sub(r"A number is <strong>bold</strong>|<strong>Show all</strong>", "", page)


def test_a_gpu_is_said_beside_the_processor_of_its_machine():
    xeon = a_machine(processor="Intel(R) Xeon(R) Processor", cores=16)
    there = {"machine": xeon, "device_name": "Hopper 5"}
    gpu = some_run(*times(3), backend="jax", run="b", findings=there, device="cuda:0")
    page = render([*some_run(*ROUNDS, findings={"device_name": ""}), *gpu])
    assert "<h1>flights on 2 kinds of processors and Hopper 5</h1>" in page
    assert re.search(r"Intel Xeon with 16 processors and 8 GiB, [^;]*, Hopper 5\.", page)
    assert '<td class="long">Hopper 5, Intel Xeon, 16 cores, 8\u00a0GiB</td>' in page
    assert "<h1>flights on Intel Xeon and Hopper 5</h1>" in render(gpu)


def test_the_best_is_bold_and_its_interval_is_there():
    page = render([*some_run(*ROUNDS), *some_run(*times(3), backend="jax")])
    (best,) = re.findall(r'<td class="number" data-value="([^"]+)" title="95% interval ([^"]+)"><strong>', page)
    low, high = map(float, best[1].split(" .. "))
    assert low < float(best[0]) < high
    assert "train: torch is fastest: " in page


def heat_of(page):
    """The rows of the heat map: the name of each, and text and whether it is hatched for each backend."""
    (table,) = re.findall(r'<section id="heat".*?</section>', page, re.DOTALL)
    return {
        name: [
            (text, 'class="heat tie"' in attributes)
            for attributes, text in re.findall(r"<td([^>]*)>([^<]*)</td>", fields)
        ]
        for name, fields in re.findall(r'<tr><th scope="row">([^<]*)</th>(.*?)</tr>', table)
    }


def test_the_heat_map_shows_the_speed_up_over_the_slowest_and_hatches_ties():
    page = render(
        [*some_run(*ROUNDS), *some_run(*times(1.01), backend="numpy"), *some_run(*times(0.25), backend="jax")]
    )
    ((name, fields),) = heat_of(page).items()
    assert name == "flights:tutorial, train"
    assert re.findall(r'<th scope="col">(\w+)</th>', page.split('id="heat"')[1])[:4] == [
        "task",
        "jax",
        "numpy",
        "torch",
    ]
    (jax, jax_hatched), *others = fields
    assert 3.9 < float(jax.removesuffix("x")) < 4.2
    assert not jax_hatched
    assert {text for text, _ in others} == {"1.0x"}
    assert sorted(hatched for _, hatched in others) == [False, True]


def test_a_row_that_is_not_ok_is_not_in_the_heat_map():
    assert "heat-title" not in render([*some_run(*ROUNDS), a_failure(9)])


def test_every_pair_is_in_a_matrix():
    page = render([*some_run(*ROUNDS), *some_run(*times(2), backend="numpy"), *some_run(*times(4), backend="jax")])
    assert "how many times as fast is the row as the column?" in page
    assert "torch: 4.0 times as fast as jax" in page
    assert "jax: 0.25 times as fast as torch" in page


@pytest.mark.parametrize(
    "path",
    [
        "/home/alice/project/x.py",
        "/Users/alice/x.py",
        "C:\\Users\\alice\\x.py",
        "C:\\\\Users\\\\alice\\\\x.py",
        "/root/x.py",
    ],
)
def test_the_page_names_nobody_by_a_home_folder(path):
    page = render([a_failure(1, reason=f"cannot read {path}", output_tail=f'File "{path}", line 3')])
    (attempt,) = unpacked(page)
    for text in (page, attempt["reason"], attempt["output_tail"]):
        assert "alice" not in text
        assert "/root" not in text
    assert "cannot read ~" in attempt["reason"]


def test_200_attempts_take_less_than_3_mb():
    attempts = [attempt for folder in ("copy", "flights-robust") for attempt in read_folder(RESULTS / folder)[0]]
    many = [
        msgspec.structs.replace(
            attempt,
            id=f"{attempt.id}-{number}",
            configuration=msgspec.structs.replace(attempt.configuration, seed=number),
        )
        for number in range(-(-200 // len(attempts)))
        for attempt in attempts
    ][:200]
    page = render(many)
    assert len(page.encode()) < 3_000_000
    assert len(unpacked(page)) == 200


def test_attempts_beyond_what_there_is_room_for_are_left_out_and_it_says_so():
    noise = "".join(hashlib.sha256(str(at).encode()).hexdigest() for at in range(10_000))
    attempts = [a_failure(at, output_tail=noise[at:] + str(at)) for at in range(8)]
    page = render(attempts)
    kept = unpacked(page)
    assert 0 < len(kept) < 8
    assert len(re.search(r'id="packed">([^<]*)<', page)[1]) <= MOST_RAW_BYTES
    assert f"8 attempts; this file holds {len(kept)} of them in full" in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "-b torch -t flights:tutorial --threads 2"),
        ({"device": "cuda:0", "precision": "tf32"}, "--device cuda:0 --precision tf32"),
        ({"effort": EFFORTS["quick"], "epochs": 30}, "--quick --threads 2"),
        ({"effort": EFFORTS["quick"], "epochs": 5}, "--quick --epochs 5"),
        ({"epochs": 7, "steps": 90}, "--epochs 7 --steps 90"),
        ({"seed": 3}, "--seed 3"),
        ({"changes": {"hidden": "64", "batch-norm": "true"}}, "--hidden 64 --batch-norm true"),
        ({"require_kernel": "onednn|cudnn"}, "--require-kernel 'onednn|cudnn'"),
        ({"backend_options": {"impl": "loop"}, "backend_defaults": {"impl": "fused"}}, "-b 'torch[impl=loop]'"),
    ],
)
def test_the_command_has_every_option_that_was_not_the_default(changes, words):
    assert words in reproduce(a_configuration(**changes))


@pytest.mark.parametrize(
    ("seeds", "ends"),
    [
        ([2, 3, 4], [" --seed 2 --seeds 3"]),
        ([0, 1], [" --threads 2 --seeds 2"]),
        ([4, 0, 2, 3], [" --threads 2", " --seed 2 --seeds 3"]),
    ],
)
def test_the_command_of_several_seeds_has_a_line_for_each_run_of_them(seeds, ends):
    lines = reproduce(a_configuration(seed=3), seeds).splitlines()
    assert len(lines) == len(ends)
    assert all(line.endswith(end) for line, end in zip(lines, ends, strict=True))


def test_what_drives_a_terminal_is_not_passed_on():
    page = render(
        [
            a_failure(
                1, output_tail="\x1b[31mred\x1b[0m\nnext\x0cpage", configuration=a_configuration(backend="a\x1b]0;b")
            )
        ]
    )
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page) is None
    assert "next" in page


def test_a_section_with_too_many_attempts_says_that_it_has_no_pictures(monkeypatch):
    monkeypatch.setattr("lstm_bench.publish.page.MOST_DRAWN", 2)
    page = render(some_run(*ROUNDS))
    assert "<svg" not in page
    assert "No pictures: there are too many attempts" in page


@pytest.mark.parametrize("folder", ["copy", "flights-robust", "mnist-stacked"])
def test_the_command_plans_the_configurations_that_were_measured(folder, monkeypatch):
    from lstm_bench.cli import running

    planned = []
    monkeypatch.setattr(running, "_show_plan", lambda configurations, *_: planned.extend(configurations))
    monkeypatch.setattr("lstm_bench.catalog.choosing._require_installed", lambda *_: None)  # nothing is run
    for attempt in latest(read_folder(RESULTS / folder)[0]):
        words = shlex.split(reproduce(attempt.configuration))[1:]
        planned.clear()
        with pytest.raises(SystemExit) as ended:
            main([*words, "--dry-run"])
        assert ended.value.code == 0
        (configuration,) = planned
        assert (
            configuration.name,
            configuration.recipe.model,
            configuration.recipe.train,
            configuration.epochs,
            configuration.steps,
            configuration.effort.name,
        ) == (
            attempt.configuration.name,
            attempt.configuration.recipe.model,
            attempt.configuration.recipe.train,
            attempt.configuration.epochs,
            attempt.configuration.steps,
            attempt.configuration.effort.name,
        )
