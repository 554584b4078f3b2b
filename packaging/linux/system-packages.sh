#!/bin/sh
# Make sure that Debian packages are installed: system-packages.sh PURPOSE PACKAGE...
# As root it installs what is missing; otherwise it prints the one line to run, and fails.
set -eu
purpose=$1
shift
if ! command -v apt-get >/dev/null; then
    echo "Not a Debian system: make sure that you have the equivalents of: $*" >&2
    exit 0
fi
missing() {
    # Simulating, rather than asking dpkg, also accepts packages that provide one of these names.
    plan=$(apt-get -s --no-upgrade --no-install-recommends install "$@" 2>/dev/null) || return 0
    echo "$plan" | grep -q '^Inst'
}
missing "$@" || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "A few system packages are needed $purpose. Run this, then the same make again:" >&2
    echo "    sudo apt-get install -y --no-install-recommends $*" >&2
    exit 1
fi
echo "Installing system packages $purpose: $*"
# A third-party source that does not answer must not stop what Debian itself has; the install is what decides.
apt-get update -qq || true
DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-upgrade --no-install-recommends "$@" >/dev/null
