// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE model_memory
#include <boost/test/unit_test.hpp>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "model/small_model.hpp"
#include "support/count_allocations.hpp"
#include "support/policies.hpp"
#include "transfusion/testing/poisoned.hpp"
#include "transfusion/train/adamw.hpp"

using namespace small_model;
using test_support::allocations_in;
using transfusion::testing::poisoned;

namespace {

/// Documents of one form whose words, pictures and noise differ from step to step.
std::vector<document> documents_of(std::uint64_t step) {
  auto docs = documents();
  for (document& d : docs)
    for (segment& s : d.segments)
      if (image* im = std::get_if<image>(&s)) im->values = drawn(im->shape.size(), step);
  return docs;
}

/// Host blocks taken in the parts of one training step.
struct host_counts {
  long pack = 0, noise = 0, loss = 0, read = 0, backward = 0, update = 0;
  friend bool operator==(const host_counts&, const host_counts&) = default;
};

template <class Exec>
struct training {
  Exec exec;
  model<paper, Exec> m{exec, config(), 1};
  adamw<Exec> optimiser{exec, m.parameters(), {.ema_decay = 0.9}};
  tape<Exec> t{exec};
  noise_plan plan;
  std::uint32_t number = 0;

  host_counts step(const std::vector<document>& docs) {
    host_counts c;
    packed_batch batch;
    typename model<paper, Exec>::losses losses;
    c.pack = allocations_in([&] { batch = m.pack(docs); });
    c.noise = allocations_in([&] { plan = m.plan_noise(batch, {1, number, stream::noise}, {}, std::move(plan)); });
    c.loss = allocations_in([&] {
      t.reset();
      losses = m.loss(t, batch, plan);
    });
    c.read = allocations_in([&] { losses.mean(exec, 0); });
    c.backward = allocations_in([&] { t.backward(); });
    c.update = allocations_in([&] {
      optimiser.gradient_norm();
      optimiser.step(number++, 1e-3);
    });
    return c;
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_counter_counts) {
  void* volatile p = nullptr, * volatile q = nullptr;
  const long count = allocations_in([&] {
    p = ::operator new(100);
    q = ::operator new (100, std::align_val_t{64});
  });
  ::operator delete(p);
  ::operator delete (q, std::align_val_t{64});
  BOOST_TEST(count >= 2);
  BOOST_TEST(allocations_in([] {}) == 0);
}

// After the first steps, a training step takes no memory from its policy, whatever the policy.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_warm_step_takes_no_policy_memory, Exec, test_support::policies) {
  training<Exec> run;
  for (std::uint64_t i = 0; i < 2; ++i) run.step(documents_of(i));
  const index_t before = run.exec.allocations(), held = run.t.memory_held();
  for (std::uint64_t i = 2; i < 6; ++i) run.step(documents_of(i));
  run.step({documents()[2]});  // a smaller step in between
  run.step(documents_of(7));
  BOOST_TEST(run.exec.allocations() == before);
  BOOST_TEST(run.t.memory_held() == held);
}

// Steps large enough to open several blocks of step memory are joined into one.
BOOST_AUTO_TEST_CASE(large_steps_too) {
  training<cpu_exec<float>> run;
  std::vector<document> docs;
  for (std::uint64_t i = 0; i < 40; ++i)
    for (document& d : documents_of(i)) docs.push_back(d);
  for (int i = 0; i < 2; ++i) run.step(docs);
  const index_t before = run.exec.allocations();
  for (int i = 0; i < 3; ++i) run.step(docs);
  BOOST_TEST(run.exec.allocations() == before);
}

using cpu_policies = std::tuple<cpu_exec<float>, cpu_exec<double>>;

// Nor host memory, from the packed batch to the new weights; what packing documents takes does not grow.
BOOST_AUTO_TEST_CASE_TEMPLATE(host_memory_of_a_warm_step, Exec, cpu_policies) {
  training<Exec> run;
  for (std::uint64_t i = 0; i < 3; ++i) run.step(documents_of(i));
  const host_counts c = run.step(documents_of(3));
  BOOST_TEST_MESSAGE("host blocks of a warm step: pack " << c.pack << ", plan_noise " << c.noise << ", loss " << c.loss
                                                         << ", reading a loss " << c.read << ", backward " << c.backward
                                                         << ", optimiser " << c.update);
  BOOST_TEST(c.noise == 0);
  BOOST_TEST(c.loss == 0);
  BOOST_TEST(c.read == 0);
  BOOST_TEST(c.backward == 0);
  BOOST_TEST(c.update == 0);
  for (std::uint64_t i = 4; i < 8; ++i) BOOST_TEST((run.step(documents_of(i)) == c));
}

// A step that reads memory before writing it would turn these losses into NaN.
BOOST_AUTO_TEST_CASE_TEMPLATE(nothing_unwritten_is_read, Exec, test_support::policies) {
  const auto losses_of = [](auto& exec) {
    model<paper, std::remove_reference_t<decltype(exec)>> m(exec, config(), 1);
    shake(m);
    const auto batch = m.pack(documents());
    const auto plan = m.plan_noise(batch, step_key);
    return gradients(m, batch, plan);
  };
  Exec plain;
  poisoned<Exec> poison;
  BOOST_TEST(same_bits(losses_of(poison), losses_of(plain)));
}
