#!/usr/bin/env bash
# Says which interface went away. Its output is kept with the event: `trotline events show ID`.
set -euo pipefail

printf '%s is gone\n' "${NLMON_INTERFACE:?no interface in this event}"
