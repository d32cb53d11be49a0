"""Programs that spend 13% to 31% of their time in malloc and free under glibc.

They were found by measuring some forty of Debian's programs; docs/performance/workloads.md says
how, and has a table of them.
"""
import os
from dataclasses import dataclass

from programs import inputs
from programs.program import SCRIPTS, CommandProgram, digest

PAGES = (2, 600, 2400)
ORDERS = (50, 8000, 35_000)
MESSAGES = (5, 150, 600)
POLYGONS = (20, 1800, 7000)
UNITS = (1, 2, 5)


@dataclass
class Allocating(CommandProgram):
    """`share` is the percentage of `perf record`'s samples of a full run under glibc, the kernel's
    included, in malloc, free, calloc, realloc and libc's functions for these; page faults are not.
    """
    share: int = 0

    group = 'allocating'    # with a mean of its own


class OpenScad(Allocating):
    """openscad, which writes plate.off.  It walks sets that are ordered by address, so the order of
    corners and the triangles that a face is cut into differ by allocator: the corners do not.
    """
    def run(self, allocator, dir, size):
        measurement = super().run(allocator, dir, size)
        if measurement.status == 0:
            measurement.output = digest(corners((dir / 'plate.off').read_bytes()))
        return measurement


def corners(off):
    """The corners of a model in the format OFF, sorted."""
    head, *lines = off.splitlines()
    return b'\n'.join(sorted(lines[:int(head.split()[1])]))


def for_sizes(sizes, name, content):
    """make() for a program that reads a file a size; content(size) is text."""
    def make(dir):
        for size in sizes:
            (dir / name.format(size)).write_text(content(size), encoding='ascii')
    return make


def make_pdf(dir):
    (dir / 'pages.pdf').write_bytes(inputs.pdf(PAGES[-1]))


def make_messages(dir):
    for_sizes(MESSAGES, 'messages{}.proto', inputs.messages_proto)(dir)
    for size in MESSAGES:
        # protoc writes what it makes into an archive, whose name says so.
        archive = dir / f'messages{size}.zip'
        if not os.path.lexists(archive):
            archive.symlink_to('/dev/stdout')


WORKLOADS = [
    Allocating(
        'xsltproc',
        'A tree of elements, attributes and texts, and another made of it. Matters to those who '
        'publish or exchange XML.',
        "Debian's xsltproc with bench/programs/scripts/orders.xsl on generated orders",
        ('xsltproc',), ORDERS, make=for_sizes(ORDERS, 'orders{}.xml', inputs.orders_xml),
        argv=lambda dir, size: ['/usr/bin/xsltproc', SCRIPTS / 'orders.xsl',
                                dir / f'orders{size}.xml'], share=28),
    Allocating(
        'pdftotext',
        'Objects, operands and words of a page, dropped with the page. Matters to those who index '
        'or show documents.',
        "Debian's poppler-utils on a generated PDF", ('poppler-utils',), PAGES, make=make_pdf,
        argv=lambda dir, size: ['/usr/bin/pdftotext', '-layout', '-l', size, dir / 'pages.pdf',
                                '-'], share=27),
    Allocating(
        'protoc',
        'Descriptors, maps of strings, and C++ printed from them piece by piece. Matters to '
        'builds that generate code.',
        "Debian's protobuf-compiler on generated messages", ('protobuf-compiler',), MESSAGES,
        make=make_messages,
        argv=lambda dir, size: ['/usr/bin/protoc', f'--cpp_out=messages{size}.zip',
                                f'messages{size}.proto'], share=29),
    OpenScad(
        'openscad',
        'Exact geometry: fractions of big numbers, and linked faces and edges. Matters to CAD.',
        "Debian's openscad on bench/programs/scripts/plate.scad", ('openscad',), (1, 2, 5),
        argv=lambda dir, size: ['/usr/bin/openscad', '-o', 'plate.off', '-D', f'SIZE={size}',
                                SCRIPTS / 'plate.scad'], share=31),
    Allocating(
        'ogr2ogr',
        'Features of JSON as objects, simplified and written again. Matters to those who make '
        'maps.',
        "Debian's gdal-bin on generated polygons", ('gdal-bin',), POLYGONS,
        make=for_sizes(POLYGONS, 'polygons{}.geojsonl', inputs.polygons),
        argv=lambda dir, size: ['/usr/bin/ogr2ogr', '-f', 'GeoJSON', '-simplify', '0.01', '-where',
                                'corners > 20', '/vsistdout/', dir / f'polygons{size}.geojsonl'],
        share=23),
    Allocating(
        'yosys',
        'A circuit as vectors, hash tables and counted strings, rewritten by many passes. Matters '
        'to those who design chips.',
        "Debian's yosys on generated Verilog", ('yosys',), UNITS,
        make=for_sizes(UNITS, 'units{}.v', inputs.units_verilog),
        argv=lambda dir, size: ['/usr/bin/yosys', '-q', '-p',
                                f'read_verilog units{size}.v; synth -top top -noabc; '
                                'write_rtlil /dev/stdout'], share=20),
    Allocating(
        'cmake-words',
        'Lists that are strings, taken apart and joined again. Matters to whoever waits for a '
        'build to be configured.',
        "Debian's cmake on bench/programs/scripts/words.cmake", ('cmake',), (1, 150, 600),
        argv=lambda dir, size: ['/usr/bin/cmake', f'-DSIZE={size}', '-P', SCRIPTS / 'words.cmake'],
        share=24),
    Allocating(
        'groff',
        'A node for each letter, in a pipeline of two programs. Matters to those who read '
        'manuals.',
        "Debian's groff-base on a generated manual", ('groff-base',), (1, 10, 40),
        make=for_sizes([''], 'manual{}', lambda _: inputs.manual(200)),
        argv=lambda dir, size: ['/usr/bin/groff', '-man', '-Tutf8', *['manual'] * size], share=15),
    Allocating(
        'bash-words',
        'Words, variables and arrays of a shell, which copies each string. Matters to those who '
        'script with it.',
        "Debian's bash on bench/programs/scripts/words.sh", ('bash',), (1, 10, 40),
        make=inputs.text,
        argv=lambda dir, size: ['/bin/bash', SCRIPTS / 'words.sh', size, dir / 'text'], share=21),
    Allocating(
        'gawk-words',
        'Fields of a line, and arrays of strings. Matters to those who process text.',
        "Debian's gawk on bench/programs/scripts/words.awk", ('gawk',), (1, 15, 60),
        make=inputs.text,
        argv=lambda dir, size: ['/usr/bin/gawk', '-f', SCRIPTS / 'words.awk', '-v',
                                f'rounds={size}', dir / 'text'], share=13),
]
