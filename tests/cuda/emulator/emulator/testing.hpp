// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <initializer_list>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "transfusion/core/bf16.hpp"
#include "transfusion/cuda/launch.cuh"

/// What the tests of the emulator share.
namespace emulator_tests {

using namespace transfusion;
using namespace transfusion::cuda;

inline struct { cudaStream_t stream = nullptr; } here;

/// A list that takes any whole number as its index.
template <class T>
struct values : std::vector<T> {
  using std::vector<T>::vector;
  T& operator[](std::ptrdiff_t i) { return this->data()[i]; }
  const T& operator[](std::ptrdiff_t i) const { return this->data()[i]; }
};

/// Device memory for the length of a test case.
template <class T>
class on_device {
 public:
  explicit on_device(std::size_t n) : size_(n) { BOOST_REQUIRE(cudaMalloc(&data_, n * sizeof(T)) == cudaSuccess); }
  explicit on_device(const std::vector<T>& v) : on_device(v.size()) {
    BOOST_REQUIRE(cudaMemcpy(data_, v.data(), v.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;
  ~on_device() { cudaFree(data_); }
  T* data() const { return data_; }
  values<T> read() const {
    values<T> v(size_);
    BOOST_REQUIRE(cudaMemcpy(v.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return v;
  }

 private:
  T* data_ = nullptr;
  std::size_t size_;
};

/// Runs `f` with the threads in every order.
template <class F>
void in_all_orders(F f) {
  using emulator::order;
  const order before = emulator::device().threads_run;
  for (order o : {order::forward, order::backward, order::random, order::random}) {
    emulator::device().threads_run = o;
    f();
  }
  emulator::device().threads_run = before;
}

/// Checks that `f` throws std::logic_error whose text holds all the words.
template <class F>
void stops(F f, std::initializer_list<const char*> words) {
  in_all_orders([&] {
    std::string said;
    try {
      f();
    } catch (const std::logic_error& e) {
      said = e.what();
    }
    BOOST_TEST(!said.empty(), "nothing was thrown");
    for (const char* word : words)
      BOOST_TEST(said.find(word) != std::string::npos, "\"" << said << "\" does not say \"" << word << "\"");
  });
}

inline values<float> random_floats(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  values<float> v(n);
  for (float& x : v) x = float(bf16(uniform(engine)));
  return v;
}
inline std::vector<bf16> narrow(const std::vector<float>& v) { return std::vector<bf16>(v.begin(), v.end()); }

}  // namespace emulator_tests
