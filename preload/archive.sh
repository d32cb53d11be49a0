#!/bin/sh
# archive.sh LIBLOAM_A LD OBJCOPY AR LIBRARY...: the libraries as one object, their hidden names
# made local.  One object, because a static link that took some names of malloc from here and
# others from libc would get both heaps.  Its code is in a section of its own, of which a linker knows
# the ends: reports leave out the frames in there (preload/code_linked.c).
set -eu
out=$1 ld=$2 objcopy=$3 ar=$4
shift 4
object=${out%.a}.o
"$ld" -r --whole-archive -o "$object" "$@"
"$objcopy" --localize-hidden \
	--rename-section .text=loam_text --rename-section .text.startup=loam_text \
	--rename-section .text.unlikely=loam_text --rename-section .text.unlikely.later=loam_text \
	--rename-section .text.hot=loam_text "$object"
rm -f "$out"
"$ar" rcsD "$out" "$object"
rm -f "$object"
