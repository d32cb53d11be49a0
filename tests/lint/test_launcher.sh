#!/bin/bash
# preload/loam: what it refuses, and that a program it starts is the program as it was: its
# arguments, standard input and output, and exit status.  With LOAM_SO it builds nothing.
# shellcheck disable=SC2016 # dollars in single quotes are for the program that is run
set -u
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
loam=$root/preload/loam
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit
failures=0

fail()
{
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# expect NAME STATUS STDOUT COMMAND: the command's exit status and whole output are these.
expect()
{
	local name=$1 status=$2 output=$3 got=0
	shift 3
	"$@" >out 2>err || got=$?
	if [ "$got" != "$status" ] || [ "$(cat out; echo .)" != "$output." ]; then
		fail "$name: exit status $got for $status; it said:"
		cat out err
	else
		echo "ok: $name"
	fi
}

# refused NAME STATUS WORDS COMMAND: it ends so, with one line of error that has these words.
refused()
{
	local words=$3
	expect "$1" "$2" '' "${@:4}"
	if [ "$(wc -l <err)" != 1 ] || ! grep -qF -- "$words" err; then
		fail "$1: not one line with \"$words\": $(cat err)"
	fi
}

# Below, a copy of the library at hand, so that its path is a plain one.
unset LD_PRELOAD
"$loam" run true || fail 'run true'
cp "${LOAM_SO:-$root/build/release/preload/libloam.so}" libloam.so || exit
export LOAM_SO=$dir/libloam.so
line=$'\n'

# ---- What it looks into: tests/look has the rest.

refused 'top of no process' 1 'there is no process 4194303' "$loam" top 4194303
refused 'top with a wrong option' 2 'unrecognized arguments: --bad' "$loam" top --bad
expect 'top of one on loam' 0 '' "$loam" run sh -c '"$1" top $$ --once >"$0/top"' "$dir" "$loam"
grep -q 'MiB held for' top || fail "top of one on loam: $(cat top)"

# ---- What it starts.

for status in 0 1 77 126 255; do
	expect "exit status $status" "$status" '' "$loam" run sh -c "exit $status"
done
expect 'death by a signal' 141 '' "$loam" run sh -c 'kill -PIPE $$'
expect 'arguments' 0 "[a b][][*][-x][\$y]" "$loam" run printf '[%s]' 'a b' '' '*' -x '$y'
expect 'standard input' 0 "one${line}two${line}" "$loam" run cat <<<"one${line}two"
head -c 300000 /dev/urandom >binary
"$loam" run cat <binary >copy 2>err || fail 'cat of a binary file'
cmp binary copy || fail 'a binary file changed on its way'
[ -s err ] && fail "words on standard error: $(cat err)"
expect 'closed standard input' 0 "closed$line" \
	"$loam" run sh -c '[ -e /proc/$$/fd/0 ] || echo closed' <&-
expect 'the library is loaded' 0 "1$line" "$loam" run awk '/libloam/ { n = 1 } END { print n }' \
	/proc/self/maps
expect 'first in LD_PRELOAD' 0 "$dir/libloam.so:libm.so.6$line" \
	env LD_PRELOAD=libm.so.6 "$loam" run printenv LD_PRELOAD

# Names of variables that are the launcher's own too.
ours=(prefix version program command environment file)
their=("${ours[@]/%/=theirs}")
theirs=$(printf 'theirs\n%.0s' "${ours[@]}")$line
expect 'variables of the program' 0 "$theirs" \
	env "${their[@]}" "$loam" run printenv "${ours[@]}"
expect 'variables of the program with --stats' 0 "$theirs" \
	env "${their[@]}" "$loam" run --stats printenv "${ours[@]}"
expect 'variables of a recorded program' 0 "$theirs" \
	env "${their[@]}" "$loam" record -o variables.trace printenv "${ours[@]}"
expect 'a variable behind one that ends within a character' 0 "b$line" \
	env -i LC_ALL=C.UTF-8 PATH="$PATH" LOAM_SO="$LOAM_SO" A=$'x\xe9' B=b "$loam" run printenv B
expect 'no other variable' 0 "$line" \
	env -i PATH="$PATH" LOAM_SO="$LOAM_SO" "$loam" run --stats sh -c 'echo $LC_CTYPE'

printf '#!/bin/sh\necho "script $*"\n' >script
chmod +x script
expect 'a script' 0 "script 1 2$line" "$loam" run ./script 1 2
mkdir 'a folder' bin
ln -s "$loam" 'a folder/loam link'
cp script 'a folder/a script'
expect 'a symlink, and spaces' 0 "script x$line" 'a folder/loam link' run 'a folder/a script' x
cp "$LOAM_SO" 'a folder/libloam.so'
expect 'a library in a folder with a space' 0 "a folder/libloam.so$line" \
	env LOAM_SO='a folder/libloam.so' "$loam" run \
	awk '/libloam/ && !n++ { print substr($0, index($0, "a folder")) }' /proc/self/maps
cp script bin/on-path
cp script a=b
expect 'a name with a =' 0 "script x=y$line" "$loam" run ./a=b x=y
expect 'a program of PATH' 0 "script $line" env PATH="$dir/bin:$PATH" "$loam" run on-path
expect 'a relative path' 0 "script $line" \
	bash -c 'cd "$1" && exec preload/loam run "$2"' - "$root" "$dir/script"

# A shared malloc is a warning, and only that.
echo 'int main(void) { return 0; }' >empty.c
gcc -shared -Wl,-soname,libjemalloc.so.2 -o libjemalloc.so.2 -x c /dev/null
gcc -o jemalloced empty.c -Wl,--no-as-needed -Wl,-rpath,"$dir" libjemalloc.so.2
expect 'a program with libjemalloc' 0 '' "$loam" run ./jemalloced
grep -q 'jemalloced is linked with libjemalloc:' err || fail "no warning of libjemalloc: $(cat err)"

expect 'a program behind --' 0 "script --${line}" "$loam" run -- ./script --
refused 'an option of ours' 2 'run knows no option -x' "$loam" run -x ./script

# ---- Recording.

# told WORDS: the last command's one line on standard error has these words.
told()
{
	if [ "$(wc -l <err)" != 1 ] || ! grep -qF -- "$1" err; then
		fail "not one line with \"$1\": $(cat err)"
	fi
}

expect 'record' 0 "recorded$line" "$loam" record -o made.trace -- sh -c 'echo recorded'
head -c 8 made.trace | grep -qx loamtrc1 || fail 'record left no trace'
told "$dir/made.trace has "
told " calls; next: $loam replay $dir/made.trace"
gcc -O0 -fno-builtin -o thousand -x c - <<'END'
#include <stdlib.h>
int main(void) { for (int i = 0; i < 1000; i++) free(malloc(i)); return 0; }
END
expect 'record counts' 0 '' "$loam" record ./thousand
told 'thousand.trace has 2,000 calls'
expect 'record of several processes' 0 "in${line}out${line}" \
	"$loam" record -o several.trace sh -c '(: ; echo in; :); echo out'
told ' calls, the most of 2 traces; next: '
expect 'record of a program that becomes another' 0 '' \
	"$loam" record -o env.trace env A=1 ./thousand
grep -qE "env\.trace\.[0-9]+ has 2,000 calls, the most of 2 traces; next: .* replay .*env\.trace\.[0-9]+\$" err ||
	fail "not the longest trace: $(cat err)"
expect 'record keeps the exit status' 7 '' "$loam" record -o status.trace sh -c 'exit 7'
expect 'record of an exit status like that of a stop' 147 '' \
	timeout 20 "$loam" record -o stop.trace sh -c 'exit 147'
mkdir -p paths/logs logs
expect 'record where CDPATH has another folder' 0 '' \
	env CDPATH="$PWD/paths" "$loam" record -o logs/made.trace ./thousand
[ -e logs/made.trace ] || fail 'the trace is elsewhere'
expect 'record dies as the program does' 143 '' "$loam" record -o death.trace sh -c 'kill -TERM $$'
expect 'record of a program that is killed' 137 '' "$loam" record -o killed.trace sh -c 'kill -KILL $$' 2>/dev/null
told 'killed.trace has '
expect 'record passes standard input on' 0 "x$line" "$loam" record -o in.trace cat <<<x
expect 'record with standard input closed' 0 "ran$line" "$loam" record -o closed.trace echo ran <&-
cp thousand.trace old.trace.77
printf '\377' | dd of=old.trace.77 bs=1 seek=130 conv=notrunc status=none
expect 'record beside an old trace' 0 '' "$loam" record -o old.trace ./thousand
told "$dir/old.trace has 2,000 calls; next: "
expect 'record of which a trace is cut short' 7 '' \
	"$loam" record -o cut.trace sh -c ': >cut.trace.5; exit 7'
expect 'record leaves SIGINT to the program' 130 '' \
	"$loam" record -o int.trace sh -c 'kill -INT $$; sleep 1'
"$loam" record -o term.trace sh -c 'trap "echo got; exit 5" TERM; echo ready; while :; do sleep 0.1; done' \
	>out 2>err &
recorder=$!
until grep -q ready out; do sleep 0.05; done
kill -TERM "$recorder"
wait "$recorder"
[ $? = 5 ] && grep -q got out || fail "SIGTERM was not passed on: $(cat out err)"
expect 'record by the name of the program' 0 "script 1$line" "$loam" record ./script 1
[ -s script.trace ] || fail 'record left no script.trace'
refused 'a trace that is there' 1 'made.trace is there already' "$loam" record -o made.trace true
refused 'a folder for a trace' 1 'logs/ is a folder' "$loam" record -o logs/ true
refused 'a trace nowhere' 1 'there is no folder no/such' "$loam" record -o no/such/trace true
refused 'a trace with a comma' 2 'no comma or colon' "$loam" record -o a,b true
refused 'record of nothing' 2 'record what?' "$loam" record -o other.trace --

# ---- What it refuses.

refused 'a missing command' 127 'there is no no-such-command' "$loam" run no-such-command
refused 'a missing file' 127 'there is no ./no-such-file' "$loam" run ./no-such-file
refused 'a folder' 126 'is a folder' "$loam" run ./bin
cp script plain && chmod -x plain
refused 'not executable' 126 'is not executable' "$loam" run ./plain
printf '#!/no/such/interpreter -x\n' >orphan
printf 'echo hello\n' >bare
printf 'not a program' >data
: >empty
chmod +x orphan bare data empty
refused 'a missing interpreter' 127 '/no/such/interpreter (the interpreter of' "$loam" run ./orphan
refused 'a script without #!' 126 'no #! line' "$loam" run ./bare
refused 'a file of data' 126 'no #! line' "$loam" run ./data
refused 'an empty file' 126 'no #! line' "$loam" run ./empty
refused 'a missing library' 1 'there is no library' env LOAM_SO=/no/such.so "$loam" run true
refused 'no program' 2 'run what?' "$loam" run
for word in help version; do
	refused "$word on a full disk" 1 'standard output cannot be written' \
		sh -c '"$0" "$1" >/dev/full' "$loam" "$word"
done
expect 'a missing program where nobody can be told' 127 '' sh -c '"$0" run ./none 2>&-' "$loam"
expect 'a missing program on a full disk' 127 '' sh -c '"$0" run ./none 2>/dev/full' "$loam"
expect 'a warning where nobody can be told' 0 '' sh -c '"$0" run ./jemalloced 2>&-' "$loam"
expect 'wrong usage where nobody can be told' 2 '' sh -c '"$0" 2>&-' "$loam"

# Go programs, by the note that all of them have: without C, and with.
cat >go.s <<'END'
.section .note.go.buildid, "a", @note
.long 4, 4, 4, 0x6f47, 0
.text
.globl _start
.weak _start
_start:
.section .note.GNU-stack, "", @progbits
END
gcc -static -nostdlib -o go go.s && gcc -pie -nostdlib -o go-pie go.s || fail 'gcc of go'
gcc -o go-with-c empty.c go.s && gcc -static -o go-static empty.c go.s || fail 'gcc of go with C'
refused 'a Go program' 126 'go is a Go program without C: it does not use malloc' "$loam" run ./go
refused 'a dynamic Go program' 126 'go-pie is a Go program without C' "$loam" run ./go-pie
expect 'a Go program with C' 0 '' "$loam" run ./go-with-c
refused 'a static Go program with C' 126 'link it with libloam.a' "$loam" run ./go-static

gcc -static -o static empty.c || fail 'gcc -static'
gcc -static-pie -o static-pie empty.c || fail 'gcc -static-pie'
refused 'a static program' 126 'static program' "$loam" run ./static
refused 'a static-pie program' 126 'static program' "$loam" run ./static-pie
gcc -Wl,--dynamic-linker=/lib/ld-musl-any.so.1 -o musl empty.c || fail 'gcc for musl'
refused 'a program for musl' 126 'uses musl' "$loam" run ./musl
gcc -Wl,--dynamic-linker=/no/such/ld.so -o loaderless empty.c || fail 'gcc without loader'
refused 'a missing loader' 126 'needs the loader /no/such/ld.so' "$loam" run ./loaderless
printf '#!%s/static\n' "$dir" >script-of-static
chmod +x script-of-static
refused 'a script of a static program' 126 'static program' "$loam" run ./script-of-static
cp "$(type -P true)" foreign
printf '\xf3\x7e' | dd of=foreign bs=1 seek=18 conv=notrunc status=none # e_machine: nobody's
refused 'a foreign program' 126 'another kind of machine' "$loam" run ./foreign

# A program with rights of another user: our own as root, else one that every system has.
if ((EUID == 0)); then
	cp "$(type -P true)" setuid && cp setuid setgid
	chown 1:1 setuid && chown 0:1 setgid && chmod 4755 setuid && chmod 2755 setgid
	refused 'a setuid program' 126 'is setuid' "$loam" run ./setuid
	refused 'a setgid program' 126 'is setgid' "$loam" run ./setgid
	chown 0:0 setuid && chmod 4755 setuid
	expect 'setuid to who runs it' 0 '' "$loam" run ./setuid
	cp script setuid-script && chown 1:1 setuid-script && chmod 4755 setuid-script
	expect 'a setuid script, which gives no rights' 0 "script $line" "$loam" run ./setuid-script
else
	refused 'a setuid program' 126 'is setuid' "$loam" run "$(type -P su)"
fi

# ---- A tree in which nothing can be built.

# in_tree COMMAND: as a user who can write nothing there, and has no compiler.
in_tree()
{
	local user=()
	((EUID != 0)) || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	env -u LOAM_SO PATH="$dir/tools" "${user[@]}" "$@"
}

mkdir -p tree/build/release/preload tools
ln -s /bin/* tools/ 2>/dev/null
rm -f tools/{gcc,g++,meson,ninja}
cp -r "$root"/{src,include,preload,meson.build,meson_options.txt} tree/
cp libloam.so tree/build/release/preload/
chmod -R a+rX tree . && chmod -R a-w tree
works='in build/release/preload/libloam.so'
expect 'a tree that was never stamped' 0 "$works" in_tree tree/preload/loam run \
	awk '/libloam/ && !n++ { printf "in %s", substr($0, index($0, "build")) }' /proc/self/maps
told "tree/build/release cannot be written to"
chmod u+w tree/build/release && touch tree/build/release/built && chmod u-w tree/build/release
expect 'a tree that is built, and read-only' 0 '' in_tree tree/preload/loam run true
[ ! -s err ] || fail "words about a tree that is built: $(cat err)"
chmod u+w tree/src && touch -d '+1 minute' tree/src && chmod a-w tree/src
expect 'a tree whose source is newer' 0 '' in_tree tree/preload/loam run true
told 'may be older than its source, but runs: '
chmod -R a+w tree/build
expect 'no compiler' 0 '' in_tree tree/preload/loam run true
told "of Debian's packages are missing: gcc g++ meson ninja-build"
if ((EUID == 0)) && cp "$(type -P true)" tree/capable && python3 -c 'import os, struct
os.setxattr("tree/capable", "security.capability", struct.pack("<5I", 0x2000001, 1, 0, 0, 0))' 2>/dev/null; then
	refused 'a program with capabilities' 126 'given capabilities' in_tree tree/preload/loam run tree/capable
fi
rm -r tree/build/release/preload
refused 'no compiler, and no library' 1 'there is no library, and none can be built' \
	in_tree tree/preload/loam run true
chmod -R u+w tree

# ---- A tree that is copied with its build: by meson and ninja that only note what they are asked.

mkdir stand-ins
for name in gcc g++ meson ninja; do
	printf '#!/bin/sh\necho %s "$@" >>"%s"\n' "$name" "$dir/asked" >"stand-ins/$name"
done
cat >>stand-ins/meson <<'END'
while [ $# -gt 2 ]; do shift; done
[ ! -e "$1/meson-private" ] || exit 0 # as the real one does: "Directory already configured"
mkdir -p "$1/meson-private" && : >"$1/build.ninja"
END
cat >>stand-ins/ninja <<END
[ -e "\$2/build.ninja" ] || exit 1
mkdir -p "\$2/preload" && cp "$dir/libloam.so" "\$2/preload/"
END
chmod +x stand-ins/*

# built TREE WORDS: the first command that building in the tree asks for has these words.
built()
{
	rm -f asked
	touch "$1/meson.build"
	expect "a build in $1" 0 '' env -u LOAM_SO PATH="$dir/stand-ins:$PATH" "$1/preload/loam" run true
	head -n 1 asked | grep -qF -- "$2" || fail "a build in $1 began with: $(head -n 1 asked)"
}

built tree "meson setup "
sleep 0.1
built tree "ninja -C $dir/tree/build/release"
rm tree/build/release/build.ninja # a setup that was killed
sleep 0.1
built tree "meson setup "
cp -r tree copied
built copied "/copied/build/release $dir/copied"
rm -r tree copied

# ---- Usage.

expect 'wrong usage' 2 '' "$loam" frobnicate
expect 'no command' 2 '' "$loam"
grep -q 'run \[--stats\] \[--\] PROGRAM .* run a program' err || fail 'usage names no command'
version=$(sed -n "s/^ *version: '\(.*\)',$/\1/p" "$root/meson.build")
for word in --version -v version; do
	expect "$word" 0 "loam $version$line" "$loam" "$word"
done
for word in --help -h help; do
	"$loam" "$word" 2>err | grep -q 'run \[--stats\] \[--\] PROGRAM .* run a program' || fail "$word prints no usage"
done

echo "$failures failed"
((failures == 0))
