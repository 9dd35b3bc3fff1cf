# transfusion_own: flags of what we compile ourselves (kernels, tests, benchmarks, examples). Never exported, never
# seen by a user of transfusion::transfusion or transfusion::cpu_kernels.
add_library(transfusion_own INTERFACE)

set(transfusion_tuning "")
if(TRANSFUSION_NATIVE)
  set(transfusion_tuning -march=native)
endif()
target_compile_options(transfusion_own INTERFACE ${transfusion_tuning})

if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang" AND PROJECT_IS_TOP_LEVEL)
  target_compile_options(transfusion_own INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                                                   $<$<BOOL:${TRANSFUSION_WERROR}>:-Werror>)
endif()
# g++ 12 and 13 see overlaps that are not there in std::string's operator+ (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  target_compile_options(transfusion_own INTERFACE -Wno-restrict)
endif()
