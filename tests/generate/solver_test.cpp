// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE generate_solver
#include <boost/test/unit_test.hpp>

#include "generate/plain_generator.hpp"
#include "transfusion/diffusion/solver/dpm_pp_2m.hpp"
#include "transfusion/diffusion/solver/euler.hpp"
#include "transfusion/diffusion/solver/heun.hpp"
#include "transfusion/diffusion/solver/midpoint.hpp"
#include "transfusion/diffusion/solver/rk4.hpp"
#include "transfusion/diffusion/solver/rk45.hpp"
#include "transfusion/exec/reference.hpp"
#include "transfusion/mask/noised_hidden.hpp"
#include "transfusion/mask/prefix.hpp"

using namespace generate_test;

namespace {

template <class Solver>
struct with_solver : tf::paper {
  using solver = Solver;
};

/// Steps of its own. An untrained model's ε makes no smooth flow near t = 1, where x̂0 = (x - noise·ε)/signal; its v
/// does.
struct narrow : tf::solver::rk45 {
  narrow() { absolute = relative = 1e-5; }
};
template <>
struct with_solver<narrow> : tf::paper {
  using solver = narrow;
  using target = tf::target::v;
};

struct half_ancestral : tf::solver::ddim {
  half_ancestral() : ddim{0.5} {}
};

using solvers =
    std::tuple<tf::solver::ddpm, tf::solver::ddpm_large, tf::solver::ddim, half_ancestral, tf::solver::euler,
               tf::solver::heun, tf::solver::midpoint, tf::solver::rk4, narrow, tf::solver::dpm_pp_2m>;

/// The prompts that go into image mode, and another seed of one of them.
std::vector<tf::generation_request> drawing() {
  return {{prompt({tf::text{{5, 6}}}), true, 2}, {prompt({}), true, 6}, {prompt({tf::text{{5, 6}}}), true, 3}};
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(every_solver_draws_what_it_draws_without_a_cache, Solver, solvers) {
  fixture<tf::reference_exec<double>, with_solver<Solver>> f;
  auto options = small(0);
  options.image_steps = 4;
  double near = 1e-6;
  if (std::is_same_v<Solver, narrow>) {  // hundreds of evaluations, on which roundings grow
    stir(f.model, 4, 0.05);
    near = 1e-4;
  }
  // One request at a time: the steps of rk45 are those of a batch.
  for (const auto& request : drawing()) check_against_plain(f.model, options, {request}, near);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_solver_draws_images_together_as_alone, Solver, solvers) {
  fixture<tf::reference_exec<double>, with_solver<Solver>> f;
  auto options = small(0);
  options.data_low = -10;
  options.data_high = 10;
  double near = 1e-6;
  if (std::is_same_v<Solver, narrow>) {  // the same within its tolerances
    stir(f.model, 4, 0.05);
    near = 0.01;
  }
  const auto together = f(options, drawing());
  for (std::size_t i = 0; i < together.size(); ++i) {
    const auto alone = f(options, {drawing()[i]});
    BOOST_TEST(distance_of_images(together[i].content, alone[0].content) < near, "request " << i);
  }
  BOOST_TEST(distance_of_images(together[0].content, together[2].content) > 1e-3);  // another seed
}

BOOST_AUTO_TEST_CASE_TEMPLATE(steps_take_no_memory_once_they_have_it, Solver, solvers) {
  fixture<tf::reference_exec<double>, with_solver<Solver>> f;
  if (std::is_same_v<Solver, narrow>) stir(f.model, 4, 0.05);
  std::vector<tf::index_t> taken;
  tf::generator generator(f.model, small(0));
  generator(drawing(), [&](tf::index_t request, tf::index_t, const std::vector<double>&) {
    if (request == 0) taken.push_back(f.exec.allocations());
  });
  BOOST_REQUIRE(taken.size() > 5u);
  for (std::size_t step = 3; step < taken.size(); ++step) BOOST_TEST(taken[step] == taken[2], "step " << step);
}

BOOST_AUTO_TEST_CASE(every_spacing_draws_what_it_draws_without_a_cache) {
  fixture<tf::reference_exec<double>, with_solver<tf::solver::ddim>> f;
  for (auto spacing : {tf::spacing::leading, tf::spacing::linspace, tf::spacing::trailing, tf::spacing::karras}) {
    auto options = small(0);
    options.spacing = spacing;
    check_against_plain(f.model, options, drawing(), 1e-6);
  }
}

BOOST_AUTO_TEST_CASE(the_bits_do_not_depend_on_the_number_of_threads) {
  const auto drawn = [](int threads) {
    tf::cpu_exec<float> exec(threads);
    tf::model<with_solver<tf::solver::dpm_pp_2m>, tf::cpu_exec<float>> model(
        exec, fixture<tf::cpu_exec<float>, with_solver<tf::solver::dpm_pp_2m>>::sizes(), 1);
    stir(model, 4);
    return tf::generator(model, small(0))(drawing());
  };
  const auto one = drawn(1), two = drawn(2);
  for (std::size_t i = 0; i < one.size(); ++i) BOOST_TEST(same(one[i].content, two[i].content));
}

namespace {

struct flow_of_noise : tf::paper {
  using schedule = tf::schedule::rectified_flow;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_target_that_says_nothing_of_the_data_is_refused_by_both_names) {
  fixture<tf::cpu_exec<float>, flow_of_noise> f;
  fails_saying<tf::config_error>([&] { tf::generator generator(f.model, small(0)); },
                                 {"noise", "rectified_flow", "time 1"});
  BOOST_CHECK_NO_THROW(tf::generator(f.model, small(3, 0)));  // it draws nothing
}

namespace {

struct hidden_copies : tf::paper {
  using mask = tf::mask::noised_hidden;
};
struct with_prefix : tf::paper {
  using mask = tf::mask::prefix<tf::mask::intra_image>;
};
/// A row before each image's patches, and positions in two axes.
struct other_rows : tf::paper {
  using timestep = tf::timestep::token;
  using position = tf::position::axial_2d;
};

}  // namespace

BOOST_AUTO_TEST_CASE(variants_of_rows_generate_as_without_a_cache) {
  fixture<tf::reference_exec<double>, other_rows> rows;
  check_against_plain(rows.model, small(4, 2), requests(), 1e-6);
  auto options = small(2, 2);
  options.image_guidance = 2;
  auto prefixed = requests();
  for (auto& r : prefixed) r.prompt.prefix_segments = static_cast<tf::index_t>(r.prompt.segments.size());
  fixture<tf::reference_exec<double>, with_prefix> prefix;
  const auto found = check_against_plain(prefix.model, options, prefixed, 1e-6);
  const auto plain = prefix(options, requests());
  BOOST_TEST(distance_of_images(found[3].content, plain[3].content) > 1e-3);  // the prefix weighs something
}

BOOST_AUTO_TEST_CASE(a_mask_of_clean_copies_generates_as_the_paper_s) {
  fixture<tf::reference_exec<double>> plain;
  fixture<tf::reference_exec<double>, hidden_copies> hidden;
  const auto expected = plain(small(4, 2), requests()), found = hidden(small(4, 2), requests());
  for (std::size_t i = 0; i < found.size(); ++i) {
    BOOST_TEST(form(found[i].content) == form(expected[i].content));
    BOOST_TEST(words(found[i].content) == words(expected[i].content), boost::test_tools::per_element());
    BOOST_TEST(distance_of_images(found[i].content, expected[i].content) < 1e-6);
  }
}
