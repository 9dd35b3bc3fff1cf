# Chooses the matrix product behind cpu_exec and sets transfusion_use_blas to 0 (our own, on Eigen's registers) or 1 (a
# BLAS).
#   ON    a BLAS, or stop
#   OFF   our own
#   AUTO  top-level builds time both on this machine, once, and keep the answer in the cache; sub-projects take our own
set(transfusion_use_blas 0)

function(transfusion_time_products out)
  # One core each: cpu_exec gives every thread its own product.
  foreach(variable OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS)
    set(saved_${variable} "$ENV{${variable}}")
    set(ENV{${variable}} 1)
  endforeach()
  try_run(exit_code compiled SOURCES ${PROJECT_SOURCE_DIR}/cmake/product_choice.cpp
          COMPILE_DEFINITIONS -O3 -I${PROJECT_SOURCE_DIR}/include -DNDEBUG ${transfusion_tuning}
          LINK_LIBRARIES Eigen3::Eigen BLAS::BLAS
          CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
          COMPILE_OUTPUT_VARIABLE compile_output RUN_OUTPUT_VARIABLE rates)
  foreach(variable OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS)
    if(saved_${variable} STREQUAL "")
      unset(ENV{${variable}})
    else()
      set(ENV{${variable}} "${saved_${variable}}")
    endif()
  endforeach()
  if(NOT compiled OR NOT exit_code EQUAL 0 OR NOT rates MATCHES "^own ([0-9.]+) blas ([0-9.]+)")
    message(STATUS "transfusion: the product could not be timed, taking our own\n${compile_output}${rates}")
    set(${out} 0 PARENT_SCOPE)
    return()
  endif()
  set(own ${CMAKE_MATCH_1})
  set(blas ${CMAKE_MATCH_2})
  set(TRANSFUSION_PRODUCT_RATES "own ${own} GFLOP/s, BLAS ${blas} GFLOP/s" CACHE INTERNAL "")
  if(blas GREATER own)
    set(${out} 1 PARENT_SCOPE)
  else()
    set(${out} 0 PARENT_SCOPE)
  endif()
endfunction()

if(TRANSFUSION_BLAS STREQUAL "AUTO" AND NOT PROJECT_IS_TOP_LEVEL OR TRANSFUSION_BLAS STREQUAL "OFF")
  message(STATUS "transfusion: product of cpu_exec: own")
elseif(TRANSFUSION_BLAS STREQUAL "ON")
  find_package(BLAS REQUIRED)
  set(transfusion_use_blas 1)
  message(STATUS "transfusion: product of cpu_exec: BLAS (${BLAS_LIBRARIES})")
elseif(TRANSFUSION_BLAS STREQUAL "AUTO")
  find_package(BLAS QUIET)
  if(NOT BLAS_FOUND)
    message(STATUS "transfusion: product of cpu_exec: own (no BLAS found)")
  else()
    if(NOT DEFINED TRANSFUSION_FASTER_PRODUCT_IS_BLAS
       OR NOT "${transfusion_tuning};${BLAS_LIBRARIES}" STREQUAL "${TRANSFUSION_PRODUCT_TIMED_WITH}")
      transfusion_time_products(faster_is_blas)
      set(TRANSFUSION_FASTER_PRODUCT_IS_BLAS ${faster_is_blas} CACHE INTERNAL "")
      set(TRANSFUSION_PRODUCT_TIMED_WITH "${transfusion_tuning};${BLAS_LIBRARIES}" CACHE INTERNAL "")
    endif()
    set(transfusion_use_blas ${TRANSFUSION_FASTER_PRODUCT_IS_BLAS})
    if(transfusion_use_blas)
      message(STATUS "transfusion: product of cpu_exec: BLAS (one core: ${TRANSFUSION_PRODUCT_RATES})")
    else()
      message(STATUS "transfusion: product of cpu_exec: own (one core: ${TRANSFUSION_PRODUCT_RATES})")
    endif()
  endif()
else()
  message(FATAL_ERROR "TRANSFUSION_BLAS is '${TRANSFUSION_BLAS}', expected AUTO, ON or OFF")
endif()
