// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE cuda_memory
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "transfusion/cuda/memory.cuh"
#include "transfusion/cuda/repeat.cuh"
#include "transfusion/testing/compare.hpp"

#if __has_include("emulator/global_memory.hpp")
// An emulated device touches all that it hands out: a smaller one serves as well.
struct small_device {
  small_device() { emulator::memory().total = std::size_t{512} << 20; }
};
BOOST_TEST_GLOBAL_FIXTURE(small_device);
#endif

using namespace transfusion;

namespace {

using scalars = std::tuple<float, bf16>;

template <class Exec>
std::string refusal(Exec f) {
  try {
    f();
  } catch (const device_error& e) {
    return e.what();
  }
  return "";
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_CASE(a_device_that_is_not_there_is_refused_with_its_number) {
  for (int device : {-1, 1000}) {
    const std::string text = refusal([&] { cuda_exec<float> exec({.device = device}); });
    BOOST_TEST(mentions(text, "device number: found " + std::to_string(device) + ", expected 0 to"), text);
  }
}

BOOST_AUTO_TEST_CASE(info_describes_the_device) {
  cuda_exec<float> exec;
  const cuda_device_info info = exec.info();
  BOOST_TEST(!info.name.empty());
  BOOST_TEST(info.major >= 8);
  BOOST_TEST(info.multiprocessors >= 1);
  BOOST_TEST(info.total_bytes >= info.free_bytes);
}

BOOST_AUTO_TEST_CASE(a_stream_of_the_caller_outlives_the_policy) {
  cudaStream_t stream = nullptr;
  BOOST_REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  {
    cuda_exec<float> exec({.stream = stream});
    float value = 0;
    auto* p = static_cast<float*>(exec.allocate(sizeof value));
    exec.fill(view<float, 1>(p, 1), 5);
    exec.download(&value, p, sizeof value);
    BOOST_TEST(value == 5);
  }
  BOOST_TEST((cudaStreamSynchronize(stream) == cudaSuccess));
  BOOST_TEST((cudaStreamDestroy(stream) == cudaSuccess));
}

BOOST_AUTO_TEST_CASE(freed_blocks_are_used_again) {
  cuda_exec<float> exec;
  const index_t before = exec.allocations();
  void* a = exec.allocate(1 << 20);
  void* b = exec.allocate(1000);
  BOOST_TEST(exec.allocate(0) != nullptr);
  BOOST_TEST(exec.allocations() == before + 3);
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(a) % 256 == 0u);
  const index_t peak = exec.peak_bytes();
  BOOST_TEST(peak >= (1 << 20) + 1000);
  exec.deallocate(a, 1 << 20);
  exec.deallocate(b, 1000);
  BOOST_TEST(exec.allocate(1001) == b);  // the smallest that fits
  BOOST_TEST(exec.allocate((1 << 20) - 4096) == a);
  BOOST_TEST(exec.peak_bytes() == peak);
  BOOST_TEST(exec.allocate(1000) != nullptr);  // a block of 1 MiB is not spent on it
  BOOST_TEST(exec.peak_bytes() > peak);
}

BOOST_AUTO_TEST_CASE(out_of_memory_says_what_was_wanted_and_leaves_the_policy_usable) {
  cuda_exec<float> exec;
  const std::size_t wanted = exec.info().total_bytes + (std::size_t{1} << 20);
  for (std::size_t bytes : {wanted, ~std::size_t{0}}) {
    const std::string text = refusal([&] { exec.allocate(bytes); });
    BOOST_TEST(mentions(text, "bytes wanted"), text);
    BOOST_TEST(mentions(text, "micro_batches"), text);
  }
  float value = 0, back = 0;
  auto* p = static_cast<float*>(exec.allocate(sizeof(float)));
  exec.fill(view<float, 1>(p, 1), 3);
  exec.download(&value, p, sizeof value);
  BOOST_TEST(value == 3);
  exec.upload(p, &value, sizeof value);
  exec.download(&back, p, sizeof back);
  BOOST_TEST(back == 3);
}

BOOST_AUTO_TEST_CASE(memory_kept_for_later_is_given_up_when_it_is_needed) {
  cuda_exec<float> exec;
  constexpr std::size_t part = std::size_t{32} << 20;
  BOOST_TEST(exec.allocate(exec.info().free_bytes - 8 * part) != nullptr);
  for (std::size_t parts : {1, 2, 3, 4}) exec.deallocate(exec.allocate(parts * part), parts * part);
  BOOST_TEST(exec.allocate(5 * part) != nullptr);
}

// While work is captured nothing can be waited for, so nothing can be given back: the work is done plainly then.
BOOST_AUTO_TEST_CASE(memory_that_runs_out_while_work_is_captured_is_found_without_a_graph) {
  cuda_exec<float> exec;
  constexpr std::size_t part = std::size_t{32} << 20, rest = 8 * part;
  view<float, 1> out(static_cast<float*>(exec.allocate(sizeof(float))), 1);
  BOOST_TEST(exec.allocate(exec.info().free_bytes - rest) != nullptr);
  exec.deallocate(exec.allocate(5 * part), 5 * part);  // kept, and in the way of 4 parts
  cuda_repeat slot;
  for (int run = 0; run < 6; ++run) {
    const std::size_t bytes = run == 1 ? 4 * part : 1000;
    exec.fill(out, -1);
    exec.repeat(slot, [&] {
      auto* p = static_cast<float*>(exec.allocate(bytes));
      exec.upload(p, &run, sizeof run);
      exec.copy(out, view<const float, 1>(p, 1));
      exec.deallocate(p, bytes);
    });
    int found = -1;
    exec.download(&found, out.data, sizeof found);
    BOOST_TEST(found == run);
  }
  for (int run = 0; run < 3; ++run) {  // and where there is none at all, the policy and its graphs stay usable
    const std::size_t bytes = run == 1 ? 2 * rest : 1000;
    const std::string text = refusal([&] {
      exec.repeat(slot, [&] {
        auto* p = static_cast<float*>(exec.allocate(bytes));
        exec.upload(p, &run, sizeof run);
        exec.copy(out, view<const float, 1>(p, 1));
        exec.deallocate(p, bytes);
      });
    });
    BOOST_TEST(mentions(text, "bytes wanted") == (run == 1), text);
    int found = -1;
    exec.download(&found, out.data, sizeof found);
    BOOST_TEST(found == (run == 1 ? 0 : run));
  }
}

#if __has_include("emulator/graph.hpp")
BOOST_AUTO_TEST_CASE(without_memory_for_a_graph_the_work_is_done_all_the_same) {
  cuda_exec<float> exec;
  view<float, 1> out(static_cast<float*>(exec.allocate(2 * sizeof(float))), 2);
  cuda_repeat slot;
  for (int run = 0; run < 8; ++run) {
    const float value = static_cast<float>(run);
    emulator::graphs_left = run < 4 ? 0 : -1;
    const long before = emulator::graph_launches;
    exec.repeat(slot, [&] {
      exec.upload(out.data, &value, sizeof value);
      exec.copy(out.slice(1, 2), out.slice(0, 1));
    });
    BOOST_TEST(emulator::graph_launches == before + (run < 4 ? 0 : 1));
    BOOST_TEST(testing::on_host(exec, out)[1] == value);
  }
}
#endif

BOOST_AUTO_TEST_CASE(work_on_the_legacy_stream_is_repeated_without_graphs) {
  cuda_exec<float> exec({.stream = cudaStreamLegacy});
  view<float, 1> out(static_cast<float*>(exec.allocate(2 * sizeof(float))), 2);
  cuda_repeat slot;
  for (int run = 0; run < 5; ++run) {
    const float value = static_cast<float>(run);
    exec.repeat(slot, [&] {
      exec.upload(out.data, &value, sizeof value);
      exec.copy(out.slice(1, 2), out.slice(0, 1));
    });
    BOOST_TEST(testing::on_host(exec, out)[1] == value);
  }
}

BOOST_AUTO_TEST_CASE(uploads_of_every_size_arrive_and_the_source_is_free_at_once) {
  cuda_exec<float> exec;
  const std::size_t ring = detail::upload_ring::segments * detail::upload_ring::segment_bytes;
  std::vector<std::uint32_t> from(ring / 2);  // twice the ring, in bytes
  std::iota(from.begin(), from.end(), 7u);
  auto* p = static_cast<std::uint32_t*>(exec.allocate(from.size() * sizeof from[0]));
  for (std::size_t count : {from.size(), std::size_t{1}, ring / 8 + 3}) {
    std::vector<std::uint32_t> source(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
    exec.upload(p, source.data(), count * sizeof source[0]);
    std::fill(source.begin(), source.end(), 0u);
    std::vector<std::uint32_t> back(count);
    exec.download(back.data(), p, count * sizeof back[0]);
    BOOST_TEST((back == std::vector<std::uint32_t>(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count))));
  }
  std::vector<std::uint32_t> back(30000);
  for (std::uint32_t i = 0; i < back.size(); ++i) exec.upload(p + i, &i, sizeof i);
  exec.download(back.data(), p, back.size() * sizeof back[0]);
  for (std::uint32_t i = 0; i < back.size(); ++i) BOOST_REQUIRE(back[i] == i);
  exec.upload(p, nullptr, 0);
  exec.download(nullptr, p, 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(values_are_filled_copied_widened_and_narrowed, Scalar, scalars) {
  cuda_exec<Scalar> exec;
  for (index_t n : {0, 1, 255, 257, 100003}) {
    const auto size = static_cast<std::size_t>(n);
    view<Scalar, 1> a(static_cast<Scalar*>(exec.allocate(size * sizeof(Scalar))), n);
    view<Scalar, 1> b(static_cast<Scalar*>(exec.allocate(size * sizeof(Scalar))), n);
    view<float, 1> wide(static_cast<float*>(exec.allocate(size * sizeof(float))), n);
    exec.fill(a, 0.3);
    exec.copy(b, a);
    exec.widen(wide, b);
    BOOST_TEST(testing::same_bits(testing::on_host(exec, b), std::vector<Scalar>(size, Scalar(0.3f))));
    BOOST_TEST(testing::same_bits(testing::on_host(exec, wide), std::vector<float>(size, float(Scalar(0.3f)))));
    exec.fill(wide, -1.00390625);  // half way between two bf16: to the even one
    exec.narrow(a, wide);
    BOOST_TEST(testing::same_bits(testing::on_host(exec, a), std::vector<Scalar>(size, Scalar(-1.00390625f))));
    exec.synchronize();
  }
}
