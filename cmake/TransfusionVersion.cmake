# Stops when version.hpp and project() disagree.
foreach(part MAJOR MINOR PATCH)
  file(STRINGS ${PROJECT_SOURCE_DIR}/include/transfusion/version.hpp line
       REGEX "^#define TRANSFUSION_VERSION_${part} [0-9]+$")
  string(REGEX REPLACE "^.* " "" found "${line}")
  if(NOT found STREQUAL PROJECT_VERSION_${part})
    message(FATAL_ERROR "version.hpp: TRANSFUSION_VERSION_${part} is '${found}', "
                        "but CMakeLists.txt says ${PROJECT_VERSION_${part}}")
  endif()
endforeach()
