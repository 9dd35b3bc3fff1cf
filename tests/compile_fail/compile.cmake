# SPDX-License-Identifier: Apache-2.0
# Run by ctest: compiles one side of a pair.
#   -DSOURCE=<file> -DSIDE=ok|ko -DCOMMAND=<compiler and flags, a list>
# ok must compile. ko (with TRANSFUSION_KO defined) must not, and the compiler must say what the file expects in a line
# "// expect: <text>", so that the refusal is the one that is meant.
set(definitions -DTRANSFUSION_CPU_PREBUILT)
if(SIDE STREQUAL ko)
  list(APPEND definitions -DTRANSFUSION_KO)
endif()
execute_process(COMMAND ${COMMAND} ${definitions} -fsyntax-only ${SOURCE}
                RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(SIDE STREQUAL ok)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "must compile, but does not:\n${output}")
  endif()
  return()
endif()

if(result EQUAL 0)
  message(FATAL_ERROR "must not compile with TRANSFUSION_KO, but does")
endif()
string(REPLACE ${SOURCE} "" said "${output}") # the name of the file is no message
file(STRINGS ${SOURCE} lines REGEX "^// expect: ")
if(NOT lines)
  message(FATAL_ERROR "no line '// expect: <text of the compiler's message>' in ${SOURCE}")
endif()
foreach(line IN LISTS lines)
  string(REPLACE "// expect: " "" text "${line}")
  string(FIND "${said}" "${text}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "does not compile, but for another reason than '${text}':\n${output}")
  endif()
endforeach()
