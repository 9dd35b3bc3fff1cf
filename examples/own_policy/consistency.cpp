// SPDX-License-Identifier: Apache-2.0
// A loss term that a user wrote: the velocity that the model predicts is held to what its own averaged weights predict
// a little later, as transfusion-pytorch has it (lucidrains, "velocity consistency": 1e-3 later, weight 0.1).
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <transfusion/model.hpp>

#include "own_policy/support/toy.hpp"

namespace mine {

namespace tf = transfusion;

/// The mean over an image of (prediction − the teacher's)², then the mean over images. Without a teacher it is nothing.
struct velocity_consistency {
  static constexpr std::string_view name = "consistency";
  static constexpr double default_weight = 0.1;

  template <class Exec>
  static tf::loss::term_values<Exec> evaluate(tf::loss::context<Exec>& c, double weight) {
    using real = typename Exec::real;
    if (!c.prediction || !c.teacher) return {};
    auto weights = c.tape.template list<real>(c.images.size());
    for (double share : c.image_shares) weights.push_back(static_cast<real>(weight * share));
    return {squared_error(c.tape, c.prediction, c.teacher, c.images, c.tape.upload(weights)), c.image_shares};
  }
};

/// Flow matching: what is predicted is the velocity itself.
struct flow : tf::paper {
  using schedule = tf::schedule::rectified_flow;
  using target = tf::target::velocity;
  using solver = tf::solver::euler;
};
struct consistent_flow : flow {
  using loss = tf::loss::weighted_sum<tf::loss::next_token, tf::loss::denoising, velocity_consistency>;
};

/// What the averaged weights predict for the same images and noise at times 1e-3 later.
template <class Model>
class later_teacher {
 public:
  later_teacher(Model& model, const tf::trainer<Model>& trainer)
      : model_(&model), trainer_(&trainer), tape_(model.exec(), tf::recording::off) {}

  typename tf::trainer<Model>::real_view operator()(const tf::packed_batch& batch, tf::noise_plan plan) {
    for (tf::noise_level& level : plan.levels)
      level = tf::level_at(model_->schedule(), std::min(level.time + 1e-3, 1.0));
    const tf::averaged_weights averaged(model_->exec(), model_->parameters(), trainer_->optimiser());
    tape_.reset();
    return model_->predict(tape_, batch, plan);
  }

 private:
  Model* model_;
  const tf::trainer<Model>* trainer_;
  tf::tape<typename Model::exec_type> tape_;
};

/// Trains a variant and draws with it. Whether it has learnt: half of the pictures right, where a guess is a quarter.
template <tf::variant Variant>
bool train(tf::cpu_exec<float>& exec, const char* name) {
  using model_type = tf::model<Variant, tf::cpu_exec<float>>;
  tf::model_config<Variant> sizes{.layers = 2, .width = 64, .heads = 2, .vocabulary = toy::vocabulary};
  sizes.codec.patch = 4;
  model_type model(exec, sizes, 1);
  tf::train_options options{.steps = 600, .peak_rate = 3e-3, .last_rate = 1e-4, .warmup = 20};
  options.optimiser.ema_decay = 0.99;
  tf::trainer<model_type> trainer(model, options);
  later_teacher<model_type> teacher(model, trainer);
  trainer.set_teacher([&](const auto& batch, const auto& plan) { return teacher(batch, plan); });
  typename tf::trainer<model_type>::report last;
  trainer.run([](tf::index_t step) { return toy::documents(step); }, [&](const auto& report) { last = report; });
  std::printf("%-20s", name);
  for (std::size_t i = 0; i < last.losses.size(); ++i)
    std::printf("  %s %.4f", std::string(model_type::loss_type::names[i]).c_str(), last.losses[i]);
  const int drawn = toy::drawn_rightly(model, 16);
  std::printf("  %d of 16 pictures drawn as asked\n", drawn);
  return drawn >= 8;
}

}  // namespace mine

int main() {
  try {
    mine::tf::cpu_exec<float> exec(1);  // one thread: so small a model gains nothing from more
    const bool plain = mine::train<mine::flow>(exec, "flow matching");
    const bool consistent = mine::train<mine::consistent_flow>(exec, "with consistency");
    return plain && consistent ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "consistency: %s\n", fault.what());
    return 1;
  }
}
