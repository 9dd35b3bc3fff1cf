# transfusion::cuda (headers for a user's own .cu) and transfusion::cuda_kernels (the CUDA policy, compiled once; its users
# need no nvcc). Included where TRANSFUSION_ENABLE_CUDA is ON: without a CUDA compiler that is an error.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES) # before the language is enabled: CMake's own default is too old for nvcc 13
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real CACHE STRING "Architectures of the CUDA kernels")
endif()
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS /usr/local/cuda/bin/nvcc)
  set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc) # where the toolkit's own installer puts it, often not on the PATH
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER OR (IS_ABSOLUTE "${CMAKE_CUDA_COMPILER}" AND NOT EXISTS "${CMAKE_CUDA_COMPILER}"))
  message(FATAL_ERROR "TRANSFUSION_ENABLE_CUDA is ON, but no CUDA compiler was found: set CMAKE_CUDA_COMPILER or CUDACXX "
                      "to nvcc, or turn TRANSFUSION_ENABLE_CUDA off")
endif()
enable_language(CUDA)
find_package(CUDAToolkit 13 REQUIRED)

file(GLOB_RECURSE cuda_headers CONFIGURE_DEPENDS include/transfusion/*.cuh)
add_library(cuda INTERFACE)
add_library(transfusion::cuda ALIAS cuda)
target_sources(cuda INTERFACE FILE_SET cuda_headers TYPE HEADERS BASE_DIRS include FILES ${cuda_headers})
# CMake 3.25 does not know nvcc's C++20, hence the plain option. Warnings that are wrong: 554, a conversion of views to
# themselves, never called; 550, a parameter that is changed and then moved from is "never used".
target_compile_options(cuda INTERFACE
                       "$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-std=c++20;--expt-relaxed-constexpr;-diag-suppress=550,554>")
target_link_libraries(cuda INTERFACE transfusion CUDA::cudart_static CUDA::cublasLt)

file(GLOB cuda_sources CONFIGURE_DEPENDS cmake/cuda/*.cu)
add_library(cuda_kernels STATIC ${cuda_sources})
add_library(transfusion::cuda_kernels ALIAS cuda_kernels)
set_target_properties(cuda_kernels PROPERTIES OUTPUT_NAME transfusion_cuda_kernels POSITION_INDEPENDENT_CODE ON)
target_compile_features(cuda_kernels PRIVATE cxx_std_20)
target_link_libraries(cuda_kernels PUBLIC transfusion CUDA::cudart_static CUDA::cublasLt PRIVATE $<BUILD_INTERFACE:cuda>)
