# SPDX-License-Identifier: Apache-2.0
# The one table of bench/gpu.sh, from its logs: lines "result NAME VALUE UNIT", names of ours and of the PyTorch twin.
# What was not measured is said, never left out: a missing row is "not measured", a missed one "MISSED".
$1 == "result" && NF >= 4 { value[$2] = $3; unit[$2] = $4 }
$1 == "tests" { tests[$2] = $3 }

function number(x) {
  if (x == "") return "-"
  if (x >= 1000) return sprintf("%.0f", x)
  if (x >= 10) return sprintf("%.1f", x)
  if (x >= 0.1) return sprintf("%.3f", x)
  return sprintf("%.3g", x)
}
function line(what, ours, peer, share, reach, verdict) {
  printf "%-52s %18s  %-26s %8s  %-9s %s\n", what, ours, peer, share, reach, verdict
}
function verdict(ok) {
  if (ok) { ++met; return "met" }
  ++missed
  return "MISSED"
}
function none(what, peer, reach, why) {
  if (reach != "") ++unmeasured
  line(what, "-", peer, "-", reach == "" ? "" : reach, why)
}
# A value of ours beside a limit that was measured (or given), as a share of it; reach: the least share, or "".
function of_limit(what, name, limit, label, reach) {
  if (!(name in value) || limit == "" || limit == 0) {
    none(what, label, reach == "" ? "" : ">= " reach, "not measured")
    return
  }
  line(what, number(value[name]) " " unit[name], label " " number(limit), sprintf("%.3f", value[name] / limit),
       reach == "" ? "" : ">= " reach, reach == "" ? "" : verdict(value[name] / limit >= reach))
}
# A rate of ours that must itself reach something, beside the measured product.
function rate(what, name, reach) {
  if (!(name in value)) { none(what, "matmul", reach == "" ? "" : ">= " reach, "not measured"); return }
  line(what, number(value[name]) " " unit[name], "matmul " number(matmul),
       matmul == "" ? "-" : sprintf("%.3f", value[name] / matmul), reach == "" ? "" : ">= " reach,
       reach == "" ? "" : verdict(value[name] >= reach))
}
# Ours over the peer's, or the peer's over ours where less is better (`less` = 1); at least `reach`.
function beside(what, name, peer, less, reach,    ratio) {
  if (!(name in value)) { none(what, "PyTorch", reach == "" ? "" : ">= " reach, "not measured"); return }
  if (!(peer in value)) {
    if (reach != "") ++unmeasured
    line(what, number(value[name]) " " unit[name], "PyTorch", "-", reach == "" ? "" : ">= " reach, "no peer measured")
    return
  }
  ratio = less ? value[peer] / value[name] : value[name] / value[peer]
  line(what, number(value[name]) " " unit[name], "PyTorch " number(value[peer]), sprintf("%.3f", ratio),
       reach == "" ? "" : ">= " reach, reach == "" ? "" : verdict(ratio >= reach))
}
function tokens(size,    name) {
  name = "ours.decode." size ".rate"
  if (name in value) line("  tokens, " size, number(value[name]) " tokens/s", "", "", "", "")
}
# Ours over another value, which must not be more than `most`.
function at_most(what, name, other, label, most) {
  if (!(name in value) || !(other in value)) { none(what, label, "<= " most, "not measured"); return }
  line(what, number(value[name]) " " unit[name], label " " number(value[other]),
       sprintf("%.3f", value[name] / value[other]), "<= " most, verdict(value[name] / value[other] <= most))
}

# Of a training step that ran in several ways, what the fastest one gave.
function best(name,    ways, i, way) {
  split("block model none", ways, " ")
  for (i = 1; i <= 3; ++i)
    if ((name "." ways[i] ".rate") in value)
      if (way == "" || value[name "." ways[i] ".rate"] > value[name "." way ".rate"]) way = ways[i]
  if (way == "") return
  split("rate peak flops model_flops", ways, " ")
  for (i = 1; i <= 4; ++i)
    if ((name "." way "." ways[i]) in value) {
      value[name "." ways[i]] = value[name "." way "." ways[i]]
      unit[name "." ways[i]] = unit[name "." way "." ways[i]]
    }
  notes = notes "note: " name ": the faster of the twin's ways is --compile " way "\n"
}

END {
  matmul = value["ours.matmul"]
  copy = value["ours.copy"]
  peak = 989  # TFLOP/s, dense bf16, from the data sheet of an H100 SXM
  line("what", "ours", "limit or peer", "share", "reach", "")
  line("tests on the device", (tests["passed"] + 0) " passed",
       (tests["failed"] + 0) " failed, " (tests["skipped"] + 0) " skipped", "", "0 failed",
       tests["passed"] + tests["failed"] == 0 ? "not run" : verdict(tests["failed"] == 0))
  line("compute-sanitizer", (tests["clean"] + 0) " clean",
       (tests["unclean"] + 0) " bad, " (tests["unfinished"] + 0) " unfinished", "", "0 errors",
       tests["clean"] + tests["unclean"] == 0 ? "not run" : verdict(tests["unclean"] == 0 && tests["unfinished"] == 0))
  of_limit("bf16 product, best of three sizes", "ours.matmul", peak, "data sheet", "")
  of_limit("copy within the device, read + written", "ours.copy", 3350, "data sheet", "")
  for (i = split("768 1536 2048", widths, " "); i >= 1; --i) {
    rate("linear layer of " widths[i] ", 4096 rows, forward", "ours.linear.forward." widths[i], "")
    rate("linear layer of " widths[i] ", 4096 rows, backward", "ours.linear.backward." widths[i], "")
  }

  directions[1] = "forward"; directions[2] = "backward"
  for (c = 128; c >= 64; c /= 2)
    for (d = 1; d <= 2; ++d) {
      place = "ours.attention." directions[d] "_seconds."
      at_most("paper mask to causal, N 4096, C " c ", " directions[d], place "paper.C" c ".N4096",
              place "causal.C" c ".N4096", "causal", 1.08)
    }
  rate("attention, paper, N 4096, C 128, forward", "ours.attention.forward.paper.C128.N4096", 380)
  rate("attention, paper, N 4096, C 64, forward", "ours.attention.forward.paper.C64.N4096", 280)
  rate("attention, paper, N 4096, C 128, backward", "ours.attention.backward.paper.C128.N4096", 260)
  rate("attention, paper, N 4096, C 64, backward", "ours.attention.backward.paper.C64.N4096", 190)
  masks[1] = "paper"; masks[2] = "causal"; masks[3] = "bidirectional"
  for (m = 1; m <= 3; ++m)
    for (c = 128; c >= 64; c /= 2)
      for (n = 4096; n >= 512; n /= 2)
        for (d = 1; d <= 2; ++d) {
          place = directions[d] "." masks[m] ".C" c ".N" n
          beside("attention, " masks[m] ", N " n ", C " c ", " directions[d], "ours.attention." place,
                 "torch.attention." place, 0, m == 1 && n == 4096 ? (d == 1 ? 1.2 : 1.5) : "")
        }
  beside("mask preparation, N 4096", "ours.mask_preparation", "torch.mask_preparation", 1, 100)

  count = split("swiglu swiglu_backward rms_norm add_rms_norm rms_norm_backward rope add", kernels, " ")
  for (n = 32768; n >= 4096; n /= 8)
    for (i = 1; i <= count; ++i)
      of_limit(kernels[i] ", " n " rows", "ours.elementwise." kernels[i] ".N" n, copy, "copy", 0.85)
  of_limit("adamw, 67 M parameters", "ours.elementwise.adamw", copy, "copy", 0.85)
  of_limit("sum of squares, 67 M numbers", "ours.elementwise.sum_of_squares", copy, "copy", 0.85)
  of_limit("mix, 2048 latents", "ours.elementwise.mix", copy, "copy", 0.85)
  count = split("layer_norm layer_norm_backward gelu multiply dropout concatenate", kernels, " ")
  for (n = 32768; n >= 4096; n /= 8)
    for (i = 1; i <= count; ++i)
      of_limit(kernels[i] ", " n " rows", "ours.elementwise." kernels[i] ".N" n, copy, "copy", 0.85)
  # The statistics of an image need all of it: the reading that they take is not in the bytes that must move.
  of_limit("group norm, 64 x 1024 pixels of 320", "ours.elementwise.group_norm", copy, "copy", "")
  of_limit("group norm backward", "ours.elementwise.group_norm_backward", copy, "copy", "")
  for (i = split("32x320 16x1280", grids, " "); i >= 1; --i)
    for (d = 1; d <= 2; ++d)
      rate("3 x 3 convolution, 16 x " grids[i] ", " directions[d], "ours.convolution." directions[d] "." grids[i], "")
  rate("head + cross-entropy, 4096 rows, width 768", "ours.head.768", "")
  rate("head + cross-entropy, 4096 rows, width 1536", "ours.head.1536", "")

  sizes[1] = "0.16B"; sizes[2] = "0.76B"
  for (i = 1; i <= 2; ++i) {
    name = "train." sizes[i]
    best("torch." name)
    if (("torch." name ".flops" in value) && ("ours." name ".flops" in value) &&
        (value["torch." name ".flops"] != value["ours." name ".flops"]))
      notes = notes "note: " name ": ours and the twin count different operations; their rates do not compare\n"
    beside("training step, " sizes[i] ", 4096 rows", "ours." name ".rate", "torch." name ".rate", 0, 1.0)
    at_most("peak memory of that step", "ours." name ".peak", "torch." name ".peak", "PyTorch", 0.8)
    of_limit("model operations of that step, MFU on 989", "ours." name ".model_flops", peak, "data sheet", "")
    of_limit("the same, on the measured product", "ours." name ".model_flops", matmul, "matmul", "")
    of_limit("PyTorch's, MFU on 989", "torch." name ".model_flops", peak, "data sheet", "")
  }
  of_limit("decode one sequence, 0.76B, bytes", "ours.decode.0.76B.bytes", copy, "copy", 0.6)
  of_limit("decode one sequence, 0.16B, bytes", "ours.decode.0.16B.bytes", copy, "copy", "")
  tokens("0.76B")
  tokens("0.16B")
  beside("guided image, 250 steps, prefix 1024, 0.16B", "ours.image.0.16B.seconds", "torch.image.0.16B.seconds", 1, 3)
  beside("  beside the same loop compiled", "ours.image.0.16B.seconds", "torch.image.0.16B_compiled.seconds", 1, "")
  printf "%s%d met, %d missed, %d not measured\n", notes, met, missed, unmeasured
}
