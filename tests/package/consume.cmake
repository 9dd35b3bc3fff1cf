# SPDX-License-Identifier: Apache-2.0
# Run by ctest: configures, builds and runs the consumer in BINARY; with BUILD_ONLY it is left to another test to run it,
# with CONFIGURE_ONLY nothing is built.
# With REFUSED, configuring must fail and say REFUSED.
file(REMOVE_RECURSE ${BINARY})
set(given "")
foreach(variable CMAKE_CUDA_COMPILER CMAKE_CUDA_ARCHITECTURES CMAKE_CUDA_FLAGS)
  if(DEFINED ${variable})
    list(APPEND given -D${variable}=${${variable}})
  endif()
endforeach()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BINARY} -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Debug
                        -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH}
                        -DWAY=${WAY} -DTARGET=${TARGET} -DCOMPONENTS=${COMPONENTS} -DVERSION=${VERSION} ${given}
                RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
message("${output}")
if(REFUSED)
  string(REGEX REPLACE "[ \n]+" " " said "${output}")
  string(FIND "${said}" "${REFUSED}" place)
  if(result EQUAL 0 OR place EQUAL -1)
    message(FATAL_ERROR "configuring should have failed with: ${REFUSED}")
  endif()
  return()
endif()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "configuring failed")
endif()
if(CONFIGURE_ONLY)
  return()
endif()
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BINARY} COMMAND_ERROR_IS_FATAL ANY)
if(BUILD_ONLY)
  return()
endif()
execute_process(COMMAND ${BINARY}/consumer COMMAND_ERROR_IS_FATAL ANY)
