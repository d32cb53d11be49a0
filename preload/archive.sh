#!/bin/sh
# archive.sh LIBLOAM_A LD OBJCOPY AR NAMES SCRIPT LIBRARY...: the libraries as one object, linked by the
# script SCRIPT, their hidden names made local, and weak what NAMES says so of.  One object, because a
# static link that took some names of malloc from here and others from libc would get both heaps.  Its
# code is in a section of its own, of which a linker knows the ends: reports leave out the frames in
# there (preload/code_linked.c).  What the notes of probes are measured from stays global: all of a
# program have one in common (base/probe.h).
set -eu
out=$1 ld=$2 objcopy=$3 ar=$4 names=$5 script=$6
shift 6
object=${out%.a}.o weak=${out%.a}.weak
"$ld" -r -T "$script" --whole-archive -o "$object" "$@"
sed -n 's/ *weak$//p' "$names" >"$weak"
"$objcopy" --localize-hidden --weaken-symbols="$weak" \
	--rename-section .text=loam_text --rename-section .text.startup=loam_text \
	--rename-section .text.unlikely=loam_text --rename-section .text.unlikely.later=loam_text \
	--rename-section .text.hot=loam_text "$object"
"$objcopy" --globalize-symbol=_.stapsdt.base "$object"
rm -f "$out"
"$ar" rcsD "$out" "$object"
rm -f "$object" "$weak"
