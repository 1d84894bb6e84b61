#!/usr/bin/env bash
# Appends one line for each link event to a file of its own, and says which.
set -euo pipefail

log="${TMPDIR:-/tmp}/trotline-links-$(id -u).log"
umask 077
# Somebody else's file, or a link to one, is not ours to write.
if [[ -L "$log" || ( -e "$log" && ! -O "$log" ) ]]; then
  printf 'not writing to %q: it is not ours\n' "$log" >&2
  exit 1
fi

printf '%s\t%s\t%s\n' "$NLMON_TIMESTAMP" "$TROTLINE_EVENT_TYPE" "${NLMON_INTERFACE:--}" >>"$log"
