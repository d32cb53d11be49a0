"""docs/options.md is what the tables of the source say.

usage: options_doc.py [--write]

Without arguments it fails when the two differ; with --write it writes the document.  The options
are the rows of options.def, what is obeyed or not of glibc's settings those of options_glibc.c.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPTIONS = ROOT / "src/base/options.def"
GLIBC = ROOT / "src/api/options_glibc.c"
DOCUMENT = ROOT / "docs/options.md"

TEMPLATE = """# Options

<!-- Written by tests/lint/options_doc.py from src/base/options.def and src/api/options_glibc.c. -->

loam's own settings stand in one variable, which is read at the first call:

    LOAM_OPTIONS=retain_floor=8M,stats=exit,verbose loam run PROGRAM

Settings are separated by commas or colons, so the name of a file can have neither; it has at most
1,000 bytes. Blanks around names and values are ignored, and so is the case of letters. A size may
end in K, M or G (also KB, KiB and so on). Yes can be written as 1, on or true, no as 0, off or
false; the name of a yes-or-no option alone means yes. Of two settings of one option the later wins.

A wrong setting is reported in one line on standard error, and the value in force stays:

    loam: LOAM_OPTIONS: no option 'arenamax'; did you mean 'arena_max'?
    loam: LOAM_OPTIONS: arena_max=x is not a number from 0 to 65536; it stays 0
    loam: LOAM_OPTIONS: no option 'dirty_decay_ms', which is jemalloc's; here: decay_ms, retain_floor

A variable like `LOAM_HARDEN` or `LOAM_OPTION` is reported as a slip if `LOAM_OPTIONS` is set too. A
program that runs with rights its user does not have (setuid) takes settings from `mallopt` alone.

Options with a * can also be set in a running process, by `loam ctl PID set NAME=VALUE`, which
reports wrong settings in the same way; the others are read when a process starts.

| option | values | default | what it does |
|---|---|---|---|
{options}
## What they cost

A loop that does nothing but malloc and free 16 to 515 bytes takes 1.04 times as long with `prof` or
`guard=50000`, 3 times with `perturb`, 4 with `record`, 8 with `harden=2`, 14 with `leak`, and 18
with `harden=3`. Real programs are slowed far less ([harden and guard](security/README.md), [prof
and leak](observing.md)). `verbose`, `stats`, `metrics`, `report_file`, `background`, `limit`,
`arena_max`, `zones`, `thp` and `keep_deepbind` do not slow this loop.

## Settings for glibc

They are obeyed. An option has its default unless one of these sets it; a later row wins.

| source | sets |
|---|---|
| environment | {variables} |
| `GLIBC_TUNABLES` | {tunables} |
| `LOAM_OPTIONS` | the table above |
| `mallopt` | {parameters} |

Values for glibc are numbers as glibc reads them: decimal, hexadecimal after `0x`, octal after `0`;
one beyond loam's range becomes the nearest in it. An `arena_max` of 0 sets nothing, as under glibc, and a
`trim_threshold` of 0 is the lowest there is. `LOAM_OPTIONS=confirm` prints each value in force and
where it comes from.

These have no meaning here (checks are always on, for example); `verbose` reports them:

| source | without meaning |
|---|---|
| `GLIBC_TUNABLES` | {idle_tunables} |
| environment | {idle_variables} |

`mallopt` takes every parameter that glibc takes, and returns what glibc 2.36 returns.
"""

OPTION = re.compile(r'^OPTION\((\w+), (\w+), ([^,]+), ([^,]+), ([^,]+), (\w+), "(.*)"\)$', re.M)
SETTING = re.compile(r'^\t\{"(\w+)", (?:"(\w+)"|NULL), (?:"(\w+)"|NULL)\},$', re.M)
PARAMETER = re.compile(r'case (M_\w+):\n\t\treturn set_')
UNITS = {"KIB": "K", "MIB": "M", "GIB": "G"}


def rows(pattern, path, start):
    """The rows of a table, all of them: a line that begins as a row does must be one."""
    text = path.read_text()
    found = pattern.findall(text)
    if not found or len(found) != len(re.findall(start, text, re.M)):
        sys.exit(f"{path.relative_to(ROOT)}: a row is not on one line, or has another shape")
    return found


def amount(text):
    """`2 * MIB` as 2M, `1024 * 1024 * GIB` as 1048576G."""
    for unit, letter in UNITS.items():
        text = text.replace(f" * {unit}", letter)
    factors = re.fullmatch(r"(\d+) \* (\d+)([KMG])", text)
    return f"{int(factors[1]) * int(factors[2])}{factors[3]}" if factors else text


def values(kind, least, most, what):
    if kind == "FLAG":
        return "yes, no"
    if kind == "WORD":
        return what.rsplit(": ", 1)[1].replace("|", ", ")
    if kind == "TEXT":
        return "a name"
    return f"{amount(least)} to {amount(most)}" + (", auto" if kind == "LIMIT" else "")


def default(kind, value, what):
    if kind == "FLAG":
        return "yes" if value == "1" else "no"
    if kind == "WORD":
        return what.rsplit(": ", 1)[1].split("|")[int(value)]
    if kind == "TEXT":
        return "none"
    return amount(value)


def option_row(kind, name, value, least, most, when, what):
    said = what.rsplit(": ", 1)[0] + "." if kind == "WORD" else what
    star = " *" if when == "ANYTIME" else ""
    return (f"| `{name}`{star} | {values(kind, least, most, what)} | {default(kind, value, what)} | "
            f"{said} |\n")


def names(words):
    return ", ".join(f"`{word}`" for word in words if word)


def document():
    settings = rows(SETTING, GLIBC, r'^\t\{"')
    acting = [s for s in settings if s[2]]
    idle = [s for s in settings if not s[2]]
    return TEMPLATE.format(
        options="".join(option_row(*row) for row in rows(OPTION, OPTIONS, r"^OPTION\(")),
        tunables=names("glibc.malloc." + tunable for tunable, _, _ in acting),
        variables=names(variable for _, variable, _ in acting),
        parameters=names(rows(PARAMETER, GLIBC, r"return set_\w+\(.*value\);$")),
        idle_variables=names(variable for _, variable, _ in idle),
        idle_tunables=names("glibc.malloc." + tunable for tunable, _, _ in idle))


def main():
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(document())
        return 0
    if DOCUMENT.exists() and DOCUMENT.read_text() == document():
        return 0
    print("docs/options.md is not what the source says; run tests/lint/options_doc.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
