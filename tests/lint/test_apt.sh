#!/bin/bash
# What tests/run and the launcher do before anything is installed: they wait for a lock that
# another apt-get holds, and `tests/run --list` installs nothing.  An apt-get of our own is in PATH.
set -u
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit
failures=0

fail()
{
	echo "FAILED: $*"
	failures=$((failures + 1))
}

# held N MESSAGE: apt-get fails with the message N times, and then succeeds.
held()
{
	mkdir -p bin
	echo "$1" >left
	: >calls
	cat >bin/apt-get <<-END
		#!/bin/sh
		echo "\$@" >>"$dir/calls"
		left=\$(cat "$dir/left")
		[ "\$left" = 0 ] && exit 0
		echo \$((left - 1)) >"$dir/left"
		echo "E: $2" >&2
		exit 100
	END
	chmod +x bin/apt-get
}

# install: with that apt-get, through the functions of the scripts.
install()
{
	PATH="$dir/bin:$PATH" bash -c ". '$root/preload/apt.sh'; apt_patience=${1-20}; apt_install log hello" \
		>out 2>err
}

for lock in 'Could not get lock /var/lib/apt/lists/lock. It is held by process 7' \
	'Could not get lock /var/cache/apt/archives/lock. It is held by process 7' \
	'Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend)'; do
	held 2 "$lock"
	install || fail "did not wait for: $lock"
	[ "$(cat err)" = 'waiting for another apt-get or dpkg to end' ] || fail "said: $(cat err)"
	grep -q 'DPkg::Lock::Timeout=.* install .*hello' calls || fail "asked for: $(cat calls)"
done
held 1000 'Could not get lock /var/lib/apt/lists/lock'
! install 2 || fail 'waited for a lock, and then succeeded without it'
held 1 'Unable to locate package hello'
! install || fail 'an error that is no lock was lost'
[ "$(wc -l <calls)" = 1 ] || fail "tried an error again: $(cat calls)"

# Without the network update warns and succeeds; what is said of packages then does not tell why.
cat >bin/apt-get <<-'END'
	#!/bin/sh
	case "$*" in
	*update) echo "W: Failed to fetch http://a/b  Temporary failure resolving 'a'" ;;
	*) echo 'E: Unable to locate package hello' && exit 100 ;;
	esac
END
! install || fail 'an installation without lists succeeded'
[[ $(cat log) = *'locate package hello'*'W: Failed to fetch'* ]] || fail "lost the reason: $(cat log)"

# A dpkg-query that knows no package, so that all are missing.
held 0 ''
printf '#!/bin/sh\nexit 1\n' >bin/dpkg-query
chmod +x bin/dpkg-query
PATH="$dir/bin:$PATH" "$root/tests/run" --list >out 2>err || fail "--list: $(cat out err)"
grep -q '^release ' out || fail "--list lists nothing: $(cat out)"
! PATH="$dir/bin:$PATH" "$root/tests/run" no-such >out 2>err || fail 'no-such is a configuration'
grep -q 'no configuration no-such' err || fail "no-such: $(cat err)"
# A PATH without Python.
ln -s "$(type -P bash)" "$(type -P dirname)" "$(type -P readlink)" bin
! PATH="$dir/bin" "$BASH" "$root/tests/run" --list >out 2>err || fail '--list needs no Python'
[ "$(cat err)" = 'tests/run --list needs python3: install it' ] || fail "--list said: $(cat err)"
[ ! -s calls ] || fail "installed something: $(cat calls)"

echo "$failures failed"
((failures == 0))
