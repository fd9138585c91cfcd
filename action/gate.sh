#!/usr/bin/env bash
# Compare the results in OLD with those in NEW, and fail if FAIL_IF holds (one limit for each line). Write the table to
# the summary of the job, and junit.xml and benchmark.json to GATE_FILES (default: the job's temporary folder).
set -euo pipefail

files="${GATE_FILES:-${RUNNER_TEMP:-.}}"
mkdir -p "$files"
limits=()
while IFS= read -r limit; do
    [ -z "${limit// /}" ] || limits+=(--fail-if "$limit")
done <<<"${FAIL_IF:-train slower than 5%}"

status=0
lstm-bench compare "$OLD" "$NEW" "${limits[@]}" --format junit >"$files/junit.xml" || status=$?
[ "$status" -le 1 ] || exit "$status" # the folders cannot be compared, and the line above says why
lstm-bench compare "$OLD" "$NEW" --format github >"$files/benchmark.json"
lstm-bench compare "$OLD" "$NEW" "${limits[@]}" --format md >>"${GITHUB_STEP_SUMMARY:-/dev/stdout}" || true
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    printf 'junit=%s\nbenchmark=%s\n' "$files/junit.xml" "$files/benchmark.json" >>"$GITHUB_OUTPUT"
fi
exit "$status"
