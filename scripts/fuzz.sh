#!/usr/bin/env bash
# Runs every fuzz target for a while, one after the other: scripts/fuzz.sh [TIME] [PATTERN]
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-1m}
only=${2:-.}
ran=0
while IFS=: read -r file name; do
  pkg=./$(dirname "$file")
  [[ $name =~ $only ]] || continue
  echo "== $pkg $name"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1s -parallel 2 "$pkg"
  ran=$((ran + 1))
done < <(grep -rHoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' internal test | sed 's/func //' | sort)
echo "$ran fuzz targets ran for $time each, no finding"
