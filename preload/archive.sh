#!/bin/sh
# archive.sh LIBLOAM_A LD OBJCOPY AR LIBRARY...: the libraries as one object, their hidden names
# made local.  One object, because a static link that took some names of malloc from here and
# others from libc would get both heaps.
set -eu
out=$1 ld=$2 objcopy=$3 ar=$4
shift 4
object=${out%.a}.o
"$ld" -r --whole-archive -o "$object" "$@"
"$objcopy" --localize-hidden "$object"
rm -f "$out"
"$ar" rcsD "$out" "$object"
rm -f "$object"
