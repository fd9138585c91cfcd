r"""The tables in LaTeX, for pdflatex and its successors; the only package that they need is booktabs.

The text is ASCII. Characters with a meaning in TeX are escaped, accents are written as commands, and a letter without a
glyph in pdflatex becomes its code point, such as ``[U+6A21]``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from lstm_bench.record.attempt import Attempt
from lstm_bench.reports.summary import summarise
from lstm_bench.reports.table import Entry, Section, Summary
from lstm_bench.text import LONGEST_ENTRY, LONGEST_LINE, brief

HEAD = r"% needs \usepackage{booktabs}"

COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\char34{}",
    # TeX would read these as arguments after \\ or \item.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MICRO SIGN}": r"\textmu{}",
    "\N{GREEK SMALL LETTER MU}": r"\textmu{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{HORIZONTAL ELLIPSIS}": r"\dots{}",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{DEGREE SIGN}": r"$^{\circ}$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{LEFT SINGLE QUOTATION MARK}": r"\textquoteleft{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": r"\textquoteright{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
}
"""The characters that are escaped, and how."""

ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING MACRON}": "=",
    "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING BREVE}": "u",
    "\N{COMBINING CARON}": "v",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H",
    "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING CEDILLA}": "c",
}
"""The command of each accent, for accents that every font has."""


def render(attempts: Sequence[Attempt]) -> str:
    """A table for each task, and answers and notes as a list."""
    return show(summarise(attempts))


def show(summary: Summary) -> str:
    """A ``table`` for each section, and answers and notes as a list in small print."""
    lines = [HEAD, ""]
    for section in summary.sections:
        lines += [*_table(section), ""]
    if summary.lines:  # a list without an item is an error
        lines += [r"{\footnotesize", r"\begin{itemize}"]
        lines += [rf"  \item {escape(note)}" for note in summary.lines]
        lines += [r"\end{itemize}", "}"]
    return "\n".join(lines) + "\n"


def _table(section: Section) -> list[str]:
    subtitle = "".join(f". {escape(text)}" for text in (section.shape, section.subtitle) if text)
    alignment = "".join("r" if column.numeric else "l" for column in section.columns)
    found = [_row(map(_entry, row.entries)) for row in section.rows if not row.baseline]
    baselines = [_row(map(_entry, row.entries)) for row in section.rows if row.baseline]
    return [
        r"\begin{table}",
        r"  \centering\small",
        rf"  \caption{{{escape(section.title)}{subtitle}}}",
        rf"  \begin{{tabular}}{{{alignment}}}",
        r"    \toprule",
        _row(escape(column.title, LONGEST_ENTRY) for column in section.columns),
        r"    \midrule",
        *found,
        *([r"    \midrule", *baselines] if baselines else []),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def _row(texts: Iterable[str]) -> str:
    return rf"    {' & '.join(texts)} \\"


def _entry(entry: Entry) -> str:
    text = escape(entry.text, LONGEST_ENTRY)
    return rf"\textbf{{{text}}}" if entry.best else text


def escape(text: str, most: int = LONGEST_LINE) -> str:
    """Escape a text so that LaTeX sets it as it is: on one line, in ASCII, cut off if long."""
    composed = unicodedata.normalize("NFC", brief(text, most))
    apart = re.sub(r"([-',])(?=\1)", "\\1\0", composed)  # two in a row would become a dash or a quotation mark
    return "".join(map(_letter, apart))


def _letter(letter: str) -> str:
    if letter == "\0":
        return "{}"
    if letter in COMMANDS:
        return COMMANDS[letter]
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"{{[}}U+{ord(letter):04X}{{]}}"
