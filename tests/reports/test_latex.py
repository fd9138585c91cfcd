r"""The tables in LaTeX, read by a small parser: commands, text, and the number of entries in a row."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import a_configuration, a_failure, an_attempt, some_run, times
from lstm_bench.catalog.loading import load_plugins
from lstm_bench.reports.latex import COMMANDS, escape

render = load_plugins().reporters["latex"].render

TOKEN = re.compile(r"\\[A-Za-z]+\d*|\\.|[{}&%$#_^~]|[^\\{}&%$#_^~]+", re.DOTALL)
ALLOWED = {token for command in COMMANDS.values() for token in TOKEN.findall(command) if token.startswith("\\")} | {
    rf"\{accent}" for accent in "`'^~\"=.uvHrc"
}


def check_escaped(text):
    """Assert that all commands are escapes, braces are balanced, and TeX acts on nothing else."""
    depth = 0
    for token in TOKEN.findall(text):
        if token.startswith("\\"):
            assert token in ALLOWED
        depth += (token == "{") - (token == "}")
        assert depth >= 0
        assert token not in "&%#_"
    assert depth == 0
    assert text.isascii()
    assert "\n" not in text


def rows_of(report):
    """Alignment and rows of each tabular, rows as lists of texts; asserts that environments are nested."""
    tables, open_environments = [], []
    for line in report.splitlines():
        if found := re.fullmatch(r"\s*\\begin\{(\w+)\}(?:\{([lr]+)\})?", line):
            open_environments.append(found[1])
            if found[1] == "tabular":
                tables.append((found[2], []))
        elif found := re.fullmatch(r"\s*\\end\{(\w+)\}", line):
            assert open_environments.pop() == found[1]
        elif line.endswith(r" \\"):
            assert open_environments[-1] == "tabular"
            tables[-1][1].append(re.split(r"(?<!\\)&", line.strip().removesuffix(r" \\")))
    assert open_environments == []
    return tables


def test_each_section_is_a_table_with_its_caption_and_booktabs_rules():
    report = render(
        [
            an_attempt(),
            a_failure(2, configuration=a_configuration(backend="numpy")),
            an_attempt(3, configuration=a_configuration(task="copy")),
        ]
    )
    assert report.count(r"\begin{table}") == report.count(r"\begin{tabular}{lllrrrrrrl}") == 2
    shape = r"4 x time x 1 -\textgreater{} LSTM 1 x 100 -\textgreater{} 1, 40,901 parameters"
    assert rf"\caption{{flights:tutorial. {shape}. rmse in passengers, lower is better}}" in report
    lines = [line.strip() for line in report[: report.index(r"\end{tabular}")].splitlines()]
    rules = [at for at, line in enumerate(lines) if line.endswith("rule")]
    assert [lines[at] for at in rules] == [r"\toprule", r"\midrule", r"\midrule", r"\bottomrule"]
    assert all("baseline: " in line for line in lines[rules[2] + 1 : rules[3]])
    assert not any("baseline: " in line for line in lines[: rules[2]])


def test_without_baselines_there_is_one_rule_less():
    assert render([a_failure()]).count(r"\midrule") == 1


def test_notes_are_a_list_in_small_print():
    report = render([a_failure()])
    _, notes = report.split(r"\begin{itemize}")
    assert r"\item torch on flights:tutorial (cpu, float32): crashed: left in phase 'start'" in notes
    assert report.index(r"{\footnotesize") < report.index(r"\begin{itemize}")


def test_every_row_has_as_many_entries_as_columns():
    attempts = [
        *some_run(*times(1.0)),
        *some_run(*times(2.0), backend="jax"),
        a_failure(9, configuration=a_configuration(backend="a&b")),
    ]
    for alignment, rows in rows_of(render(attempts)):
        assert len(rows) > 3
        assert {len(row) for row in rows} == {len(alignment)}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50 % & #1 of_all", r"50 \% \& \#1 of\_all"),
        (r"\end{tabular}", r"\textbackslash{}end\{tabular\}"),
        ("a^b ~c $d$", r"a\textasciicircum{}b \textasciitilde{}c \$d\$"),
        ("8,060 ±1.2%", r"8,060 $\pm$1.2\%"),
        ("786\u00a0ms, 5\u00a0µs", r"786~ms, 5~\textmu{}s"),
        ("[bold] *a*", r"{[}bold{]} {*}a{*}"),
        ("--all, ``x''", r"-{}-all, \textasciigrave{}\textasciigrave{}x'{}'"),
        ("größer, naïve, Å, Erdős", r"gr\"{o}\ss{}er, na\"{i}ve, \r{A}, Erd\H{o}s"),
        ("e\u0301", r"\'{e}"),
        ("模 🙂", r"{[}U+6A21{]} {[}U+1F642{]}"),
        ("two\nlines\x1b", "two lines{[}U+FFFD{]}"),
    ],
)
def test_a_text_is_written_so_that_latex_sets_it_as_it_is(text, escaped):
    assert escape(text) == escaped
    check_escaped(escaped)


@given(st.text())
def test_no_text_is_a_command(text):
    check_escaped(escape(text))


HOSTILE = [
    r"\end{tabular}",
    r"\input{/etc/passwd}",
    r"\write18{ls}",
    "a & b \\\\ c",
    "% gone",
    "#1",
    "$x",
    "^^5cend",
    "}{",
    "[x]",
    "*",
    "<script>|",
    "=cmd()",
    "\x1b[2J",
    "模型",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_breaks_a_table(text):
    configuration = a_configuration(task=text, backend=text, device=text, changes={text: text})
    report = render([an_attempt(configuration=configuration, status="crashed", reason=text), an_attempt(2)])
    for alignment, rows in rows_of(report):
        assert {len(row) for row in rows} == {len(alignment)}
    assert report.isascii()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_pdflatex_takes_it(tmp_path):
    configurations = [a_configuration(task=text, backend=text, device=text) for text in HOSTILE]
    report = render(
        [an_attempt(n, configuration=each, status="crashed", reason=each.task) for n, each in enumerate(configurations)]
    )
    text = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{report}\end{{document}}"
    (tmp_path / "report.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-2000:]
