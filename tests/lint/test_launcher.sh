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
expect 'a program of PATH' 0 "script $line" env PATH="$dir/bin:$PATH" "$loam" run on-path
expect 'a relative path' 0 "script $line" \
	bash -c 'cd "$1" && exec preload/loam run "$2"' - "$root" "$dir/script"

# A shared malloc is a warning, and only that.
echo 'int main(void) { return 0; }' >empty.c
gcc -shared -Wl,-soname,libjemalloc.so.2 -o libjemalloc.so.2 -x c /dev/null
gcc -o jemalloced empty.c -Wl,--no-as-needed -Wl,-rpath,"$dir" libjemalloc.so.2
expect 'a program with libjemalloc' 0 '' "$loam" run ./jemalloced
grep -q 'jemalloced is linked with libjemalloc:' err || fail "no warning of libjemalloc: $(cat err)"

# ---- Recording.

expect 'record' 0 "recorded$line" "$loam" record -o made.trace -- sh -c 'echo recorded'
head -c 8 made.trace | grep -qx loamtrc1 || fail 'record left no trace'
expect 'record by the name of the program' 0 "script 1$line" "$loam" record ./script 1
[ -s script.trace ] || fail 'record left no script.trace'
refused 'a trace that is there' 1 'made.trace is there already' "$loam" record -o made.trace true
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
else
	refused 'a setuid program' 126 'is setuid' "$loam" run "$(type -P su)"
fi

# ---- Usage.

expect 'wrong usage' 2 '' "$loam" frobnicate
expect 'no command' 2 '' "$loam"
grep -q 'run PROGRAM' err || fail 'usage names no command'

echo "$failures failed"
((failures == 0))
