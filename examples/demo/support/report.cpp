// SPDX-License-Identifier: Apache-2.0
#include "demo/support/report.hpp"

#include <algorithm>
#include <concepts>

#include "support/device.hpp"
#include "support/report.hpp"
#include "support/uncertainty.hpp"

namespace fashion {

namespace {

using support::fixed;
using support::percent;
using support::with_error;
using support::with_interval;

std::string whole(double v) { return fixed(v, 0); }

support::markdown_table goals(const findings& f) {
  support::markdown_table table({"measure", "found", "goal"});
  table.row({"captions right, greedy decoding", with_interval(f.captions.greedy), "85 %"});
  table.row({"captions right, ranked by likelihood", with_interval(f.captions.ranked), "85 %"});
  table.row({"drawn pictures that the judge takes for their class", with_interval(f.pictures.judged_all), "88 %"});
  table.row({"the judge's own accuracy on real test pictures", percent(f.pictures.judge_accuracy), ""});
  table.row({"Fréchet distance, drawn to test set", with_error(f.pictures.frechet), ""});
  table.row({"Fréchet distance, real training pictures to test set", with_error(f.pictures.frechet_real), ""});
  return table;
}

support::markdown_table training(const findings& f) {
  const training_summary& t = f.training;
  support::markdown_table table({"training", ""});
  table.row({"model", std::to_string(f.sizes.layers) + " layers, width " + std::to_string(f.sizes.width) + ", " +
                          std::to_string(f.sizes.heads) + " heads, " + std::to_string(f.sizes.codec.patch) + " x " +
                          std::to_string(f.sizes.codec.patch) + " patches"});
  table.row({"parameters", fixed(static_cast<double>(t.parameters) / 1e6) + " M"});
  table.row({"steps, pictures", std::to_string(t.steps) + ", " + std::to_string(t.pictures)});
  table.row({"time", whole(t.seconds) + " s"});
  table.row({"tokens a second", whole(t.tokens_per_second)});
  table.row({"GFLOP/s (exact count of the mask)", whole(t.gflops)});
  if (f.product.device.empty()) {
    table.row({"this machine's sgemm, GFLOP/s", whole(f.product.gflops)});
    table.row({"share of sgemm", percent(t.gflops / f.product.gflops)});
  } else {
    table.row({"device", f.product.device});
    table.row({"its matrix product in bf16, GFLOP/s", whole(f.product.gflops)});
    table.row({"share of its matrix product", percent(t.gflops / f.product.gflops)});
    table.row({"share of 989 TFLOP/s (H100 SXM, dense bf16)", percent(t.gflops / 989e3)});
    table.row({"peak device memory", whole(static_cast<double>(t.peak_bytes) / 1e6) + " MB"});
  }
  return table;
}

support::markdown_table by_class(const findings& f) {
  support::markdown_table table({"class", "judged as it"});
  for (std::size_t c = 0; c < f.pictures.judged.size(); ++c)
    table.row({std::string(support::fashion_mnist_classes[c]), percent(f.pictures.judged[c])});
  return table;
}

}  // namespace

template <class Exec>
product_rate measured_product(Exec& e) {
  using scalar = typename Exec::scalar;
  // On a GPU so large that starting the product and waiting for it do not count.
  constexpr index_t n = std::same_as<Exec, support::cpu_policy> ? 2048 : 8192;
  tf::buffer<Exec, typename Exec::real> values(e, n * n);
  tf::buffer<Exec, scalar> memory(e, 3 * n * n);
  const auto matrix = [&](index_t i) { return tf::view<scalar, 2>(memory.all().data + i * n * n, n, n); };
  for (index_t i : {1, 2}) {
    e.normal(values.all(), {1, static_cast<std::uint32_t>(i), tf::stream::test}, 1.0);
    e.narrow(matrix(i).flat(), values.all());
  }
  const auto wait = [&] {
    if constexpr (requires { e.synchronize(); }) e.synchronize();
  };
  product_rate best;
  if constexpr (requires { e.info(); }) best.device = e.info().name;
  wait();
  for (int repeat = 0; repeat < 5; ++repeat) {
    const support::stopwatch watch;
    e.linear(matrix(0), matrix(1), matrix(2), {});
    wait();
    best.gflops = std::max(best.gflops, 2.0 * n * n * n / watch.seconds() / 1e9);
  }
  return best;
}

std::string summary(const findings& f) {
  return "captions right: " + with_interval(f.captions.greedy) + " greedy, " + with_interval(f.captions.ranked) +
         " ranked (" + std::to_string(f.captions.pictures) +
         " test pictures)\ndrawn as asked: " + with_interval(f.pictures.judged_all) + " of " +
         std::to_string(f.pictures.pictures) + ", by a judge that is right on " + percent(f.pictures.judge_accuracy) +
         " of real ones\nFréchet distance: " + with_error(f.pictures.frechet) + " (real to real " +
         with_error(f.pictures.frechet_real) + ")";
}

void save_report(const std::filesystem::path& file, const findings& f) {
  support::markdown_report report("One model that draws and captions clothes");
  report.paragraph(
      "A Transfusion model, trained on Fashion-MNIST in both directions at once: next-token prediction on "
      "captions, diffusion on pictures. It differs from the paper in two lines: the v target, and the noise "
      "limit t ≤ 250 for pictures that come before their caption. About a third of the pairs are picture first.");
  report.table(goals(f));
  report.paragraph(
      "Captions: " + std::to_string(f.captions.pictures) +
      " test pictures. Drawn: " + std::to_string(f.pictures.pictures) + " pictures, guidance " +
      fixed(f.draws.guidance, 1) + ", " + std::to_string(f.draws.steps) +
      " steps. The judge is a small classifier trained with this library on real pictures; the Fréchet "
      "distances are taken in its features, with as many real pictures as drawn ones. In brackets: 95 % by bootstrap "
      "over pictures; ±: the standard error.");
  report.picture("samples.png", "Pictures drawn from captions").table(by_class(f));
  report.picture("captions.png", "Captions of test pictures").picture("denoising.png", "From noise to picture");
  report.heading("A document of its own")
      .paragraph(f.interleaved)
      .picture("interleaved.png", "Text and pictures by the model alone");
  if (f.training.steps > 0) report.heading("Training").table(training(f)).picture("loss.png", "Losses");
  report.save(file);
}

template product_rate measured_product(support::cpu_policy&);
#if TRANSFUSION_HAS_CUDA
template product_rate measured_product(support::cuda_policy&);
#endif

}  // namespace fashion
