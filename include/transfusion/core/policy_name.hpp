// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>

namespace transfusion {

namespace detail {

/// Ends with "[with T = NAME]", "[T = NAME]" or "[with T=NAME]", as the compiler likes it.
template <class T>
constexpr const char* signature() {
  return __PRETTY_FUNCTION__;
}

}  // namespace detail

/// The type of a policy in words, for messages: "mask::causal", or the name of a user's struct.
template <class Policy>
std::string policy_name() {
  std::string text = detail::signature<Policy>();
  const std::size_t sign = text.find('=', text.find('['));
  const std::size_t begin = text.find_first_not_of(' ', sign + 1);
  text = text.substr(begin, text.rfind(']') - begin);
  // Unnamed namespaces go too: g++ and clang++ spell them otherwise, and names are stored in files.
  for (const std::string part :
       std::initializer_list<const char*>{"transfusion::", "{anonymous}::", "(anonymous namespace)::"})
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at))
      text.erase(at, part.size());
  return text;
}

}  // namespace transfusion
