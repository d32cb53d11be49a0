"""The man pages of docs/man are sound, and say what the source does.

usage: man.py [--write]

mandoc finds nothing in them; loam(7) has the options of options.def, which --write writes into it;
loam(3) has every function of loam.h, and loam(1) every command and option of what it describes.
"""

import pathlib
import re
import subprocess
import sys
import textwrap

import options_doc

ROOT = options_doc.ROOT
PAGES = ROOT / "docs" / "man"
BEGIN = '.\\" options: written by tests/lint/man.py --write\n'
END = '.\\" end of options\n'
VALUES = {"FLAG": "yes | no", "TEXT": "name", "SIZE": "size", "COUNT": "number",
          "LIMIT": "size | auto"}


def option_item(kind, name, value, least, most, when, what):
    """One option as an item of a list."""
    said = options_doc.values(kind, least, most, what)
    text = what.rsplit(": ", 1)[0] + "." if kind == "WORD" else what
    shown = said.replace(", ", " | ") if kind == "WORD" else VALUES[kind]
    argument = f"Cm {shown}" if kind in ("WORD", "FLAG") else f"Ar {shown}"
    least_to_most = f"{said}; " if kind in ("SIZE", "COUNT", "LIMIT") else ""
    while_running = "; can be changed while it runs" if when == "ANYTIME" else ""
    return (f".It Cm {name} Ns = Ns {argument}\n" + "\n".join(sentences(text))
            + f"\n.Pq {least_to_most}default {options_doc.default(kind, value, what)}{while_running}\n")


def sentences(text):
    """A line each, as mdoc wants them, of at most 78 characters."""
    lines = re.split(r"(?<=[.:;]) ", text.replace("\\", "\\e"))
    return [part for line in lines for part in textwrap.wrap(line, 78, break_on_hyphens=False)]


def with_options(page):
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    rows = options_doc.rows(options_doc.OPTION, options_doc.OPTIONS, r"^OPTION\(")
    items = "".join(option_item(*row) for row in rows)
    return f"{before}{BEGIN}.Bl -tag -width Ds\n{items}.El\n{END}{after}"


def missing(page, words):
    text = (PAGES / page).read_text()
    return [f"{page} does not name {word}" for word in words
            if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]


def functions():
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "include/loam/loam.h").read_text(), flags=re.S)
    return re.findall(r"\b(loam_\w+)\(", header)


def commands():
    """What loam.1 must name: the commands, and the long options of the scripts behind them."""
    said = subprocess.run([ROOT / "preload/loam", "help"], capture_output=True, text=True, check=True)
    found = re.findall(r"^  (\w+)[ ,]", said.stdout, re.M)
    for script in ("bench/compare", "bench/replay", "preload/look/ctl", "preload/look/map", "preload/look/metrics",
                   "preload/look/prof", "preload/look/top"):
        said = (ROOT / script).read_text()
        found += [f"Fl {name}" for name in re.findall(r"add\('-(-[\w-]+)'", said)]
    return [word for word in found if word not in ("Fl -set",)]  # the sets are not installed


def main():
    options = PAGES / "loam.7"
    if sys.argv[1:] == ["--write"]:
        options.write_text(with_options(options.read_text()))
        return 0
    wrong = missing("loam.3", functions()) + missing("loam.1", commands())
    if options.read_text() != with_options(options.read_text()):
        wrong.append("loam.7 is not what options.def says; run tests/lint/man.py --write")
    pages = sorted(PAGES.glob("loam.[137]"))
    said = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True,
                          text=True)
    wrong += said.stdout.splitlines()
    print("\n".join(wrong) or f"{len(pages)} pages are sound")
    return 1 if wrong or said.returncode or len(pages) != 3 else 0


if __name__ == "__main__":
    sys.exit(main())
