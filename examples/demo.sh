#!/usr/bin/env bash
# crmsync at work, without a Copper account: `make demo` runs this.
# Everything happens in a temporary folder and on a loopback port; both are gone at the end.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
sandbox=

cleanup() {
  if [ -n "$sandbox" ]; then
    kill "$sandbox" 2>/dev/null || true
    wait "$sandbox" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n# %s\n' "$*"; }
show() { # prints the command as one would type it, then runs it
  printf '\n$ %s\n' "$1"
  eval "$1"
}

cp -R "$here/acme/." "$work"
cd "$work"
rm -rf .crmsync
# Nothing of the caller's may leak into the demo.
unset COPPER_BASE_URL COPPER_API_KEY COPPER_USER_EMAIL CRMSYNC_PROFILE CRMSYNC_STATE_KEY CI

say "A firm keeps its CRM in git: 15 companies, 25 people, 20 deals."
show 'find crm -name "*.yaml" | sort'
show 'sed -n "/^  cedar-creek:/,/Customer number/p" crm/companies/customers.yaml'

say "A local Copper to practise on. It prints where it listens, and what to export."
printf '\n$ crmsync sandbox --account sandbox.yaml &\n'
crmsync sandbox --account sandbox.yaml >sandbox.log 2>&1 &
sandbox=$!
for _ in $(seq 100); do
  [ "$(grep -c '^export ' sandbox.log || true)" -ge 3 ] && break
  kill -0 "$sandbox" 2>/dev/null || break
  sleep 0.2
done
if [ "$(grep -c '^export ' sandbox.log || true)" -lt 3 ]; then
  echo "The sandbox did not start:" >&2
  cat sandbox.log >&2
  exit 1
fi
cat sandbox.log
eval "$(grep '^export ' sandbox.log)"

say "What would happen? Most is new, two records exist already and are adopted. (Cut short here.)"
printf '\n$ crmsync plan\n'
crmsync plan >plan.txt
head -n 12 plan.txt
printf '      ...\n\n'
sed -n '/^  # companies.blue-heron /,/^$/p' plan.txt
printf '  ...\n\n'
tail -n 3 plan.txt

say "Do it."
printf '\n$ crmsync apply --auto-approve\n'
crmsync apply --auto-approve >apply.txt
tail -n 8 apply.txt

say "Again: there is nothing to do."
show 'crmsync plan'

say "Now somebody edits Acme in Copper: the tier by mistake, the owner on purpose."
show 'crmsync state show companies.acme | head -n 3'
id=$(crmsync state show companies.acme --json | sed -n 's/.*"record_id": *\([0-9]*\).*/\1/p')
show "crmsync sandbox edit companies/$id custom_fields.Tier=Bronze assignee=lee@fernhill.example >edited.json"

say "The plan shows both. The file decides the tier; crmsync.yaml says that owners may be handed over in Copper."
show 'crmsync plan'

say "Put it back."
show 'crmsync apply --auto-approve'
show 'crmsync plan'

say "That is all. The files are in examples/acme; README.md goes on from here."
