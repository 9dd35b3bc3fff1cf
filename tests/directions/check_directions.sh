#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: check_directions.sh INCLUDE_DIR   reads the #include lines below INCLUDE_DIR/transfusion and names each one that
# allowed.txt does not allow. Exit code 1 when there is one.
set -euo pipefail
table=$(cd "$(dirname "$0")" && pwd)/allowed.txt
cd "$1/transfusion"

find . -name '*.hpp' -o -name '*.cuh' | sed 's,^\./,,' | sort |
  xargs grep -nHE '^[[:space:]]*#[[:space:]]*include' |
  awk -v table="$table" '
    # "exec/cpu.hpp" lies in "exec", "model.hpp" in "model".
    function folder_of(path) { return path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "model" }
    function listed(word, list,   words, n, i) {
      n = split(list, words, " ")
      for (i = 1; i <= n; ++i) if (words[i] == word) return 1
      return 0
    }
    function lies_in(file, list,   words, n, i) {
      n = split(list, words, " ")
      for (i = 1; i <= n; ++i) if (file == words[i] || index(file, words[i]) == 1 && words[i] ~ /\/$/) return 1
      return 0
    }
    function complain(text) { printf "%s:%s: includes \"%s\": %s\n", file, line, header, text; ++faults }
    BEGIN {
      while ((getline row < table) > 0) {
        if (row ~ /^(#|[[:space:]]*$)/) continue
        if (row ~ /^(only|never) /) {
          # The list starts after the last colon.
          match(row, /:[^:]*$/)
          key = substr(row, 1, RSTART - 1); list = substr(row, RSTART + 1)
          rule[++rules] = key ~ /^only/ ? "only" : "never"
          pattern[rules] = key; sub(/^(only|never) /, "", pattern[rules])
          sub(/^ +/, "", list); places[rules] = list
        } else {
          key = row; sub(/:.*/, "", key); sub(/^[^:]*:/, "", row)
          allowed[key] = row; known[key] = 1
        }
      }
    }
    {
      match($0, /:[0-9]+:/)
      file = substr($0, 1, RSTART - 1); line = substr($0, RSTART + 1, RLENGTH - 2)
      header = $0; sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*$/, "", header)
      from = folder_of(file)
      row = file in known ? file : from
      ++lines
      if (!(row in known)) { complain("folder " from " has no row in allowed.txt"); next }
      if (header ~ /^transfusion\//) {
        to = folder_of(substr(header, 13))
        if (to != from && !listed(to, allowed[row])) complain(row " may not include " to)
      } else if ($0 ~ /include[[:space:]]*"/) complain("our headers are included as \"transfusion/...\"")
      for (r = 1; r <= rules; ++r) {
        if (header !~ pattern[r]) continue
        if (rule[r] == "only" && !lies_in(file, places[r])) complain("allowed only in " (places[r] ? places[r] : "no header"))
        if (rule[r] == "never" && listed(from, places[r])) complain("too dear for " from)
      }
    }
    END {
      if (!length(known)) { print "no row found in " table; exit 2 }
      if (!lines) { print "no #include line found: wrong folder?"; exit 2 }
      printf "%d #include lines read, %d faults\n", lines, faults
      exit faults > 0
    }'
