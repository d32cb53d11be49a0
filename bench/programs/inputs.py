"""Input of the programs: made by rule from a seed, or taken from Debian's packages."""
import json
import math
import pathlib
import random

LICENSES = pathlib.Path('/usr/share/common-licenses')   # in every Debian, by package base-files


def text(dir):
    """English prose of 140 KB: licences that come with the system, one after the other."""
    names = 'Apache-2.0 Artistic GFDL-1.3 GPL-2 GPL-3 LGPL-2.1 LGPL-3 MPL-2.0'.split()
    prose = ''.join((LICENSES / name).read_text(encoding='utf-8') for name in names)
    (dir / 'text').write_text(prose, encoding='utf-8')


def messages_c(count):
    """C as generators of message classes write it: a struct a message, and functions by switch."""
    rng = random.Random(8)
    kinds = ('int', 'long', 'double', 'unsigned char', 'const char *', 'struct part *')
    lines = ['#include <stdio.h>', '#include <stdlib.h>', '#include <string.h>',
             'struct part { int size; struct part *next; };']
    for n in range(count):
        fields = [(rng.choice(kinds), f'field_{n}_{k}') for k in range(rng.randrange(4, 20))]
        lines += [f'struct message_{n} {{', *(f'\t{kind} {name};' for kind, name in fields), '};',
                  f'int message_{n}_set(struct message_{n} *self, int field, const char *text)',
                  '{', '\tswitch (field) {']
        for k, (kind, name) in enumerate(fields):
            value = {'d': 'strtod(text, NULL)', 'c': 'strdup(text)',
                     's': 'calloc(1, sizeof(struct part))'}.get(kind[0], 'strtol(text, NULL, 10)')
            lines += [f'\tcase {k * 3 + n % 7}:', f'\t\tself->{name} = {value};',
                      f'\t\treturn {k + 1};']
        lines += ['\tdefault:', '\t\treturn 0;', '\t}', '}',
                  f'unsigned long message_{n}_hash(const struct message_{n} *self)', '{',
                  f'\tunsigned long hash = {n}u;']
        for kind, name in fields:
            if kind.endswith('*'):
                lines += [f'\tif (self->{name})', f'\t\thash = hash * 31 + *(char *)self->{name};']
            else:
                lines += [f'\tfor (long i = (long)self->{name} & 7; i > 0; i--)',
                          f'\t\thash = (hash << 5 ^ hash >> 3) + (unsigned long)self->{name} * i;']
        lines += ['\treturn hash;', '}']
    return '\n'.join(lines) + '\n'


def schedule_smt(problem):
    """A job-shop problem: 12 jobs that visit 8 machines, each in an order of its own."""
    rng = random.Random(problem)
    length = [[rng.randrange(2, 20) for _ in range(8)] for _ in range(12)]
    lines = ['(reset)', '(set-logic QF_LIA)']
    lines += [f'(declare-const s{job}_{at} Int)' for job in range(12) for at in range(8)]
    for job in range(12):
        order = rng.sample(range(8), 8)
        lines.append(f'(assert (>= s{job}_{order[0]} 0))')
        for one, next_one in zip(order, order[1:]):
            lines.append(f'(assert (>= s{job}_{next_one} (+ s{job}_{one} {length[job][one]})))')
        lines.append(f'(assert (<= (+ s{job}_{order[-1]} {length[job][order[-1]]}) 205))')
    for at in range(8):
        for a in range(12):
            lines += [f'(assert (or (>= s{a}_{at} (+ s{b}_{at} {length[b][at]}))'
                      f' (>= s{b}_{at} (+ s{a}_{at} {length[a][at]}))))' for b in range(a)]
    return lines + ['(check-sat)']


def factors_smt(problem):
    """A product of two numbers of 13 bits, to be taken apart by its bits."""
    rng = random.Random(problem)
    product = rng.randrange(1 << 12, 1 << 13) * rng.randrange(1 << 12, 1 << 13)
    return ['(reset)', '(set-logic QF_BV)', '(declare-const x (_ BitVec 26))',
            '(declare-const y (_ BitVec 26))', f'(assert (= (bvmul x y) (_ bv{product} 26)))',
            '(assert (bvult x (_ bv8192 26)))', '(assert (bvule y x))', '(check-sat)',
            '(get-value (x y))']


def smt(problems):
    """Problems of both kinds in turn."""
    return '\n'.join(line for n in range(problems)
                     for line in (*schedule_smt(n), *factors_smt(n))) + '\n'


def headers():
    """The headers of the kernel and of C++: {name: lines}."""
    include = pathlib.Path('/usr/include')
    paths = sorted(path for folder in ('linux', 'c++') for path in (include / folder).rglob('*')
                   if path.is_file())
    return {str(path.relative_to(include)): path.read_text(errors='replace').splitlines(True)
            for path in paths}


def history(commits):
    """A stream for git fast-import: headers that are imported and then worked on."""
    rng = random.Random(9)
    files = headers()
    words = sorted({word for lines in files.values() for word in ''.join(lines[:1]).split()})
    for n in range(commits):
        message = f'change {n}: {" ".join(rng.choices(words, k=6))}\n'.encode()
        yield (f'commit refs/heads/main\ncommitter A <a@b> {1_000_000_000 + n} +0000\n'
               f'data {len(message)}\n').encode() + message
        for name in files if n == 0 else rng.sample(sorted(files), 5):
            lines = files[name]
            if n:
                at = rng.randrange(len(lines) + 1)
                moved = rng.sample(lines, min(len(lines), rng.randrange(9)))
                lines[at:at + rng.randrange(3)] = moved
            content = ''.join(lines).encode()
            yield f'M 644 inline {name}\ndata {len(content)}\n'.encode() + content + b'\n'


def redis_commands(count):
    """A cache that ages: values of two ranges of sizes in turn, replaced, grown and deleted."""
    rng = random.Random(11)
    for n in range(count):
        key, aged = rng.randrange(30_000), n * 4 // count % 2
        value = 'v' * int(16 * 2 ** (rng.random() * 5 + aged * 3))
        yield rng.choice((
            f'SET session{key} {value}\n', f'SET session{key} {value}\n', f'DEL session{key}\n',
            f'APPEND session{key} {value[:100]}\n', f'HSET user{key % 3000} field{n % 40} {n}\n',
            f'RPUSH queue{key % 100} {value[:200]}\n', f'LTRIM queue{key % 100} -200 -1\n',
            f'ZADD rank{key % 50} {n} member{key % 977}\n', f'GET session{key}\n'))


# ---- Of allocating.py.

def words_of(rng):
    """words(n): n words of a licence, in one string, drawn anew each time."""
    known = [word for word in (LICENSES / 'GPL-3').read_text(encoding='utf-8').split()
             if word.isascii() and word.isalpha()]
    return lambda count=1: ' '.join(rng.choices(known, k=count))


def orders_xml(count):
    """The orders of a shop."""
    rng = random.Random(12)
    words = words_of(rng)
    lines = ['<orders>']
    for n in range(count):
        lines.append(f'<order id="{n}" customer="c{rng.randrange(2000)}">'
                     f'<note lang="en">{words(8)}</note>')
        lines += [f'<line article="{words()}" count="{rng.randrange(1, 9)}">'
                  f'<price>{rng.randrange(9999) / 100}</price></line>'
                  for _ in range(rng.randrange(1, 9))]
        lines.append('</order>')
    return '\n'.join([*lines, '</orders>\n'])


def pdf(pages):
    """Pages of words that are set one by one, with links from page to page."""
    rng = random.Random(13)
    words = words_of(rng)
    objects = ['<< /Type /Catalog /Pages 2 0 R >>',
               f'<< /Type /Pages /Count {pages} /Kids ['
               f'{" ".join(f"{4 + 2 * n} 0 R" for n in range(pages))}] >>',
               '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>']
    known = [' '.join(f'({word}) {rng.randrange(-300, 50)}' for word in words(9).split())
             for _ in range(2000)]
    for _ in range(pages):
        text = ''.join(f'1 0 0 1 {50 + n % 3} {800 - 12 * n} Tm [{rng.choice(known)}] TJ\n'
                       for n in range(60))
        text = f'BT /F1 10 Tf\n{text}ET'
        links = ' '.join(f'<< /Type /Annot /Subtype /Link /Rect [50 {60 * n} 500 {60 * n + 9}] '
                         f'/Dest [{4 + 2 * rng.randrange(pages)} 0 R /Fit] >>' for n in range(4))
        objects += [f'<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents '
                    f'{len(objects) + 2} 0 R /Resources << /Font << /F1 3 0 R >> >> '
                    f'/Annots [{links}] >>',
                    f'<< /Length {len(text)} >>\nstream\n{text}\nendstream']
    return pdf_file(objects)


def pdf_file(objects):
    """The bytes of a PDF of these objects, of which the first is the catalog."""
    parts, at, offsets = ['%PDF-1.4\n'], 9, []
    for number, one in enumerate(objects, 1):
        offsets.append(at)
        parts.append(f'{number} 0 obj\n{one}\nendobj\n')
        at += len(parts[-1])
    parts += [f'xref\n0 {len(objects) + 1}\n0000000000 65535 f \n',
              *(f'{offset:010} 00000 n \n' for offset in offsets),
              f'trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n']
    return ''.join(parts).encode('ascii')


def messages_proto(count):
    """Messages of 4 to 19 fields, some of which are messages or maps."""
    rng = random.Random(14)
    words = words_of(rng)
    kinds = 'int32', 'string', 'repeated string', 'map<string, int64>', 'double'
    lines = ['syntax = "proto3";', 'package bench;']
    for n in range(count):
        lines += [f'// {words(8)}', f'message M{n} {{']
        for k in range(1, rng.randrange(5, 21)):
            kind = rng.choice((*kinds, f'M{rng.randrange(n + 1)}'))
            lines += [f'  // {words(5)}', f'  {kind} {words().lower()}_{k} = {k};']
        lines.append('}')
    return '\n'.join(lines) + '\n'


def polygons(count):
    """A ragged circle a line, as GeoJSON."""
    rng = random.Random(15)
    words = words_of(rng)
    lines = []
    for n in range(count):
        x, y, corners = rng.uniform(-80, 80), rng.uniform(-60, 60), rng.randrange(10, 120)
        turns = [2 * math.pi * k / corners for k in range(corners)]
        ring = [[round(x + math.cos(turn) * (1 + rng.random() / 10), 6),
                 round(y + math.sin(turn) * (1 + rng.random() / 10), 6)] for turn in turns]
        lines.append(json.dumps({
            'type': 'Feature',
            'properties': {'id': n, 'name': words(2), 'corners': corners, 'kind': words()},
            'geometry': {'type': 'Polygon', 'coordinates': [[*ring, ring[0]]]}}))
    return '\n'.join(lines) + '\n'


def units_verilog(count):
    """Units of 16 bits one behind the other, each a table of sums by case."""
    rng = random.Random(16)
    ports = 'input clk, input [15:0] a, input [15:0] b, output'
    lines = []
    for n in range(count):
        cases = [f'\t\t4\'d{k}: s2 <= {rng.choice(("s0+s1", "s0&b", "s1|a", "(a<b)?s0:s1"))} + '
                 f'16\'d{rng.randrange(1 << 15)};' for k in range(16)]
        lines += [f'module unit{n}({ports} reg [15:0] q);', '\treg [15:0] s0, s1, s2;',
                  '\talways @(posedge clk) begin', '\t\ts0 <= a + b;',
                  f'\t\ts1 <= s0 ^ {{a[{(cut := rng.randrange(1, 15))}:0], b[15:{cut + 1}]}};',
                  '\t\tcase (a[3:0])', *cases, '\t\tendcase', '\t\tq <= s2;', '\tend',
                  'endmodule']
    lines += [f'module top({ports} [15:0] q);', *(f'\twire [15:0] w{n};' for n in range(count + 1)),
              f'\tassign w0 = a, q = w{count};',
              *(f'\tunit{n} u{n}(clk, w{n}, b, w{n + 1});' for n in range(count)), 'endmodule']
    return '\n'.join(lines) + '\n'


def manual(sections):
    """A manual page with headings, paragraphs and lists."""
    words = words_of(random.Random(17))
    lines = ['.TH BENCH 1']
    for _ in range(sections):
        lines += [f'.SH {words(3)}', words(60), '.TP', f'.B {words(2)}', words(30),
                  '.IP \\(bu 2', f'{words(20)} \\fI{words()}\\fP']
    return '\n'.join(lines) + '\n'
