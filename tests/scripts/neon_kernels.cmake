# The NEON kernels, compiled for AArch64 and held against their scalar twins: under an emulator on other machines, where
# the index tests hold them natively on AArch64. Skipped, with a line on why, when compiler or emulator is missing.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  add_test(NAME "scripts: NEON kernels agree with the scalar ones under an emulator"
           COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/neon_kernels.sh)
  set_tests_properties("scripts: NEON kernels agree with the scalar ones under an emulator" PROPERTIES
                       TIMEOUT 600 SKIP_RETURN_CODE 77
                       ENVIRONMENT "NESTOR_SOURCE=${PROJECT_SOURCE_DIR};NESTOR_BUILD=${PROJECT_BINARY_DIR}")
endif()
