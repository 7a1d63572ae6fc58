#!/usr/bin/env bash
# Trains the recurrent network on the digits with and without clipping, and writes a report.
#
# Usage: Scripts/run.sh [arguments of 'momentum train']
#
# Sets the machine up, builds the command in release mode and runs 'momentum train' in the current folder; its last line
# names the report. All arguments are passed on ('Scripts/run.sh --help' shows this, 'Scripts/run.sh -- --help' the
# options of the command).
source "$(dirname "${BASH_SOURCE[0]}")/common.bash"

case "${1-}" in
  -h | --help) help; exit ;;
  --) shift ;;
esac

"$root/Scripts/setup.sh"
step "Building the command (release)" swift build --package-path "$root" -c release --product momentum
momentum="$(swift build --package-path "$root" -c release --show-bin-path)/momentum"
say "momentum train $*"
exec "$momentum" train "$@"
