# SPDX-License-Identifier: Apache-2.0
# One table out of the CSV files of Google Benchmark, <program>_bench.csv each: name, time, then every counter by its name.
function cut(line, out,   n, i, c, field, quoted) { # a CSV line into out[1..n]; quotes may hold commas
  n = 0; field = ""; quoted = 0
  for (i = 1; i <= length(line); ++i) {
    c = substr(line, i, 1)
    if (c == "\"") quoted = !quoted
    else if (c == "," && !quoted) { out[++n] = field; field = "" }
    else field = field c
  }
  out[++n] = field
  return n
}
function short(value) { return value ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/ ? sprintf("%.4g", value) : value }
FNR == 1 {
  titled = 0
  program = FILENAME
  gsub(/^.*\/|_bench\.csv$|\.csv$/, "", program)
}
/^name,/ { columns = cut($0, title); titled = 1; next }
{
  delete cell
  if (!titled || cut($0, cell) != columns) { # what a program says beside its results
    if ($0 != "") print program ": " $0
    next
  }
  extras = ""
  for (i = 1; i <= columns; ++i) {
    if (title[i] ~ /^(name|iterations|real_time|cpu_time|time_unit|label|error_occurred)$/ || cell[i] == "") continue
    extras = extras sprintf("  %-18s", title[i] "=" short(cell[i]))
  }
  ++rows
  sub(/\/real_time$/, "", cell[1])
  name[rows] = program " " cell[1]; time[rows] = short(cell[3]) " " cell[5]; rest[rows] = extras
  if (length(name[rows]) > widest) widest = length(name[rows])
}
END {
  for (r = 1; r <= rows; ++r) printf "%-" widest "s  %14s%s\n", name[r], time[r], rest[r]
  if (!rows) print "no benchmark ran"
}
