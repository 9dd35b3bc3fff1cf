// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE examples_device
#include "support/device.hpp"

#include <boost/test/unit_test.hpp>
#include <concepts>

#include "files.hpp"

using support::device;

namespace {

/// What a program with these arguments is told.
support::device_settings settings_of(std::vector<std::string> reversed_arguments) {
  support::device_settings s;
  CLI::App app;
  s.add_to(app);
  app.parse(std::move(reversed_arguments));
  return s;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_cpu_is_the_default) {
  BOOST_TEST((settings_of({}).where == device::cpu));
  BOOST_TEST((settings_of({"cpu", "--device"}).where == device::cpu));
  BOOST_TEST((settings_of({"cuda", "--device"}).where == device::cuda));
  BOOST_TEST(settings_of({"3", "--threads"}).threads == 3);
  BOOST_CHECK_THROW(settings_of({"gpu", "--device"}), CLI::ValidationError);
  BOOST_CHECK_THROW(settings_of({"-1", "--threads"}), CLI::ValidationError);
}

BOOST_AUTO_TEST_CASE(the_work_gets_a_policy_of_its_own) {
  int threads = 0;
  support::on_device({device::cpu, 2}, [&]<class Exec>(Exec& e) {
    if constexpr (std::same_as<Exec, support::cpu_policy>) threads = e.threads();
  });
  BOOST_TEST(threads == 2);
}

// A missing driver, a missing device or an architecture not built in: what the policy says, and what else can be done.
BOOST_AUTO_TEST_CASE(a_device_that_cannot_be_opened_points_to_the_cpu) {
  files::check_throws<transfusion::device_error>(
      [] { support::opened([]() -> int { throw transfusion::device_error("no NVIDIA driver found"); }); },
      {"--device cuda: no NVIDIA driver found", "--device cpu"});
  BOOST_TEST(support::opened([] { return 7; }) == 7);
}

BOOST_AUTO_TEST_CASE(a_build_without_cuda_says_how_to_get_it) {
#if !TRANSFUSION_HAS_CUDA
  bool ran = false;
  files::check_throws<transfusion::device_error>(
      [&] {
        support::on_device({device::cuda, 0}, [&](auto&) { ran = true; });
      },
      {"--device cuda", "-DTRANSFUSION_ENABLE_CUDA=ON", "./run demo --cuda", "--device cpu"});
  BOOST_TEST(!ran);
#endif
}
