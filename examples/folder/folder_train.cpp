// SPDX-License-Identifier: Apache-2.0
// Trains a model on a folder of pictures with captions: to draw from captions and to caption pictures.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "folder/support/training.hpp"
#include "support/device.hpp"

namespace {

/// What was read, and what was not.
void announce(const folder::training_run& run, const folder::run_files& files) {
  for (const auto& line : run.skipped())
    std::fprintf(stderr, "skipped line %lld: %s\n", static_cast<long long>(line.line), line.reason.c_str());
  const auto pictures = static_cast<long long>(run.data().size());
  std::printf("%s: %lld pictures, %zu skipped, %lld tokens in the %s vocabulary, longest caption %lld tokens\n",
              files.folder.c_str(), pictures, run.skipped().size(), static_cast<long long>(run.words().size()),
              run.used().vocabulary.c_str(), static_cast<long long>(run.data().longest_caption()));
  if (files.resume)
    std::printf("going on from step %lld of %s\n", static_cast<long long>(run.steps_done()), files.checkpoint.c_str());
  if (files.resume && run.pictures_before() != pictures)
    std::printf("note: the run had %lld pictures before; its order of pictures changes\n",
                static_cast<long long>(run.pictures_before()));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  folder::settings s;
  folder::run_files files;
  support::device_settings device;
  CLI::App app(
      "Trains a model on a folder of PNG or JPEG pictures.\n"
      "captions.jsonl in it holds a line a picture: {\"file\": \"cats/1.png\", \"caption\": \"a black cat\"}",
      "folder_train");
  app.add_option("folder", files.folder, "The folder with captions.jsonl and the pictures")->required();
  s.add_to(app);
  app.add_flag("--convert", files.convert, "Make grey of colour, or colour of grey; else another channel count is bad");
  app.add_flag("--skip-bad", files.skip_bad,
               "Leave bad lines and pictures out, and count them; else they stop the run");
  files.checkpoint = "folder.safetensors";
  app.add_option("--checkpoint", files.checkpoint, "Where the checkpoint is written")->capture_default_str();
  app.add_option("--checkpoint-every", files.checkpoint_every, "Steps between checkpoints; 0: ten times a run")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000000000));
  app.add_option("--log", files.log, "Where a CSV log is written; none if not given");
  app.add_flag("--resume", files.resume,
               "Go on from the checkpoint with its own settings; more --steps or --minutes lengthen the run");
  app.add_flag("--overwrite", files.overwrite, "Begin anew where the checkpoint exists");
  app.add_flag("--quiet", files.quiet, "No progress bar");
  device.add_to(app);
  try {
    app.parse(argc, argv);
    support::on_device(device, [&](auto& e) {  // first: a missing device is said before the pictures are read
      folder::training_run run(files, s, folder::given_options(app));
      announce(run, files);
      const auto done = run(e);
      std::printf("%lld steps in all, %.2f M parameters, %.0f s, %.0f tokens/s, %.0f GFLOP/s%s: %s\n",
                  static_cast<long long>(done.steps), static_cast<double>(done.parameters) / 1e6, done.seconds,
                  done.tokens_per_second, done.gflops, support::peak_memory(done).c_str(), files.checkpoint.c_str());
    });
  } catch (const CLI::ParseError& fault) {
    return app.exit(fault) == 0 ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "folder_train: %s\n", fault.what());
    return 1;
  }
}
