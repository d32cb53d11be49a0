# shellcheck shell=bash
# Installs Debian packages for the scripts that source this, and waits while another apt-get or
# dpkg holds a lock.  apt-get itself waits for dpkg's locks alone, and only when it is told to; it
# fails at once where those of its lists and of its archives are held.

apt_patience=600 # seconds

# apt_get LOG ARGS: apt-get with its output in LOG; returns its exit status.
apt_get()
{
	local log=$1 until=$((SECONDS + apt_patience)) told='' status
	shift

	while :; do
		status=0
		DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -o DPkg::Lock::Timeout=5 "$@" \
			</dev/null >"$log" 2>&1 || status=$?
		((status != 0 && SECONDS < until)) &&
			grep -qE 'Could not get lock|Unable to acquire the dpkg' "$log" || return $status
		[ -n "$told" ] || echo 'waiting for another apt-get or dpkg to end' >&2 || :
		told=yes
		sleep 1
	done
}

# apt_install LOG PACKAGE...: reads the lists anew and installs the packages.  Where update warned
# and the installation then fails, LOG ends with the warnings: apt-get goes on without lists.
apt_install()
{
	local log=$1 status=0 warnings
	shift

	apt_get "$log" update || return
	warnings=$(grep '^[WE]:' "$log") || :
	apt_get "$log" install -y --no-install-recommends "$@" || status=$?
	((status == 0)) || [ -z "$warnings" ] || echo "$warnings" >>"$log"
	return $status
}
