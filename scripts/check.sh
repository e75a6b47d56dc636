#!/usr/bin/env bash
# Formatting, vet, staticcheck and known vulnerabilities. The vulnerability
# database is the public one unless VULNDB names a folder with a copy.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l cmd internal examples test)
[ -z "$unformatted" ] || { echo "error: not formatted: $unformatted"; echo "next:  gofmt -w ."; exit 1; }
go vet ./...
go tool -modfile=tools/go.mod staticcheck ./...
go tool -modfile=tools/go.mod govulncheck ${VULNDB:+-db "file://$VULNDB"} ./...
