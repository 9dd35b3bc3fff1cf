// SPDX-License-Identifier: Apache-2.0
// The paper's controlled comparison (§6.1, Table 3) at small scale: trains both families over a grid of sizes and
// budgets, measures them, and writes what FLOPs either needs.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "parity/support/program.hpp"

int main(int argc, char** argv) {
  parity::settings s;
  CLI::App app(
      "Trains Transfusion and Chameleon at several sizes and budgets, and says what FLOPs either needs.\n"
      "Each training is a file in the folder's runs/; started again, the program goes on where it was broken off.",
      "parity");
  s.add_to(app);
  CLI11_PARSE(app, argc, argv);
  try {
    parity::run(s);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "parity: %s\n", fault.what());
    return 1;
  }
}
