#!/usr/bin/env bash
# Asterisk 22 from Debian sid in its own root folder (no chroot at run time). 40 s, 600 MB; idempotent; root.
set -euo pipefail
# The older PBX of the matrix (Asterisk 16.28): AST_SUITE=bullseye AST_ROOT=/opt/asterisk16-root install.sh
ROOT=${AST_ROOT:-/opt/asterisk-root}
SUITE=${AST_SUITE:-sid}
case $SUITE in sid) MORE=sip-tester ;; *) MORE=asterisk-opus ;; esac
MIRROR=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
[ -n "$MIRROR" ] || MIRROR=$(awk '/^deb /{for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' /etc/apt/sources.list)
if [ ! -f "$ROOT/.done" ]; then
  rm -rf --one-file-system "$ROOT" # a half-made root is worse than none
  debootstrap --variant=minbase \
    --include=asterisk,asterisk-core-sounds-en-wav,asterisk-moh-opsound-wav,ca-certificates,$MORE "$SUITE" "$ROOT" "$MIRROR"
  rm -rf "$ROOT"/var/cache/apt/archives/*.deb "$ROOT"/var/lib/apt/lists/*
  ln -sfn en_US_f_Allison "$ROOT/usr/share/asterisk/sounds/en" # an absolute link would need a chroot
  touch "$ROOT/.done"
fi
"$(dirname "$0")/in-root" asterisk -V
