# The installed package: find_package(transfusion 0.1) gives transfusion::transfusion and transfusion::cpu_kernels; with
# COMPONENTS cuda also transfusion::cuda and transfusion::cuda_kernels, where they were built.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/transfusion)

install(TARGETS transfusion cpu_kernels EXPORT transfusionTargets FILE_SET HEADERS)
install(EXPORT transfusionTargets NAMESPACE transfusion:: DESTINATION ${package_dir})
if(TRANSFUSION_ENABLE_CUDA)
  install(TARGETS cuda cuda_kernels EXPORT transfusionCudaTargets FILE_SET cuda_headers)
  install(EXPORT transfusionCudaTargets NAMESPACE transfusion:: DESTINATION ${package_dir})
endif()

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/transfusionConfig.cmake.in transfusionConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(transfusionConfigVersion.cmake COMPATIBILITY SameMinorVersion) # while 0.x
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/transfusionConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/transfusionConfigVersion.cmake
        DESTINATION ${package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
