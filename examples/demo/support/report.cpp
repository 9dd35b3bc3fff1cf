// SPDX-License-Identifier: Apache-2.0
#include "demo/support/report.hpp"

#include <algorithm>
#include <chrono>

#include "support/report.hpp"

namespace fashion {

namespace {

using support::fixed;
using support::percent;

std::string whole(double v) { return fixed(v, 0); }

support::markdown_table goals(const findings& f) {
  support::markdown_table table({"measure", "found", "goal"});
  table.row({"captions right, greedy decoding", percent(f.captions.greedy), "85 %"});
  table.row({"captions right, ranked by likelihood", percent(f.captions.ranked), "85 %"});
  table.row({"drawn pictures that the judge takes for their class", percent(f.pictures.judged_all), "88 %"});
  table.row({"the judge's own accuracy on real test pictures", percent(f.pictures.judge_accuracy), ""});
  table.row({"Fréchet distance, drawn to test set", fixed(f.pictures.frechet), ""});
  table.row({"Fréchet distance, real training pictures to test set", fixed(f.pictures.frechet_real), ""});
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
  table.row({"this machine's sgemm, GFLOP/s", whole(f.sgemm_gflops)});
  table.row({"share of sgemm", percent(t.gflops / f.sgemm_gflops)});
  return table;
}

support::markdown_table by_class(const findings& f) {
  support::markdown_table table({"class", "judged as it"});
  for (std::size_t c = 0; c < f.pictures.judged.size(); ++c)
    table.row({std::string(support::fashion_mnist_classes[c]), percent(f.pictures.judged[c])});
  return table;
}

}  // namespace

double measured_sgemm(exec& e) {
  constexpr index_t n = 2048;
  tf::buffer<exec, float> memory(e, 3 * n * n);
  e.normal(memory.all(), {1, 0, tf::stream::test}, 1.0);
  const auto matrix = [&](index_t i) { return tf::view<float, 2>(memory.all().data + i * n * n, n, n); };
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    e.linear(matrix(0), matrix(1), matrix(2), {});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, 2.0 * n * n * n / seconds / 1e9);
  }
  return best;
}

std::string summary(const findings& f) {
  return "captions right: " + percent(f.captions.greedy) + " greedy, " + percent(f.captions.ranked) + " ranked (" +
         std::to_string(f.captions.pictures) + " test pictures)\ndrawn as asked: " + percent(f.pictures.judged_all) +
         " of " + std::to_string(f.pictures.pictures) + ", by a judge that is right on " +
         percent(f.pictures.judge_accuracy) + " of real ones\nFréchet distance: " + fixed(f.pictures.frechet) +
         " (real to real " + fixed(f.pictures.frechet_real) + ")";
}

void save_report(const std::filesystem::path& file, const findings& f) {
  support::markdown_report report("One model that draws and captions clothes");
  report.paragraph(
      "A Transfusion model, trained on Fashion-MNIST in both directions at once: next-token prediction on "
      "captions, diffusion on pictures. It differs from the paper in two lines: the v target, and the noise "
      "limit t ≤ 250 for pictures that come before their caption. About a third of the pairs are picture first.");
  report.table(goals(f));
  report.paragraph("Captions: " + std::to_string(f.captions.pictures) +
                   " test pictures. Drawn: " + std::to_string(f.pictures.pictures) + " pictures, guidance " +
                   fixed(f.draws.guidance, 1) + ", " + std::to_string(f.draws.steps) +
                   " steps. The judge is a small classifier trained with this library on real pictures; the Fréchet "
                   "distances are taken in its features, with as many real pictures as drawn ones.");
  report.picture("samples.png", "Pictures drawn from captions").table(by_class(f));
  report.picture("captions.png", "Captions of test pictures").picture("denoising.png", "From noise to picture");
  report.heading("A document of its own")
      .paragraph(f.interleaved)
      .picture("interleaved.png", "Text and pictures by the model alone");
  if (f.training.steps > 0) report.heading("Training").table(training(f)).picture("loss.png", "Losses");
  report.save(file);
}

}  // namespace fashion
