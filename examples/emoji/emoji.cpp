// SPDX-License-Identifier: Apache-2.0
// Trains an autoencoder on colour emoji and Transfusion models on its latents, and shows what they have learnt.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "emoji/support/program.hpp"

namespace {

std::string command_line(int argc, char** argv) {
  std::string line = "./run emoji";
  for (int i = 1; i < argc; ++i) line += std::string(" ") + argv[i];
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  emoji::settings s;
  CLI::App app("Trains an autoencoder on emoji and Transfusion models on its latents; a second run goes on.", "emoji");
  s.add_to(app);
  CLI11_PARSE(app, argc, argv);
  s.draws.seed = s.seed;
  try {
    support::on_device(s.device, [&](auto& e) { emoji::run(e, emoji::data(), s, command_line(argc, argv)); });
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "emoji: %s\n", fault.what());
    return 1;
  }
}
