# Installs into a folder of its own, moves that folder, and builds and runs examples/ against it, as a user would.
if(TARGET nestor_storage)
  set(_consumer_flags ${CMAKE_CXX_FLAGS})
  if(NESTOR_SANITIZE)
    string(APPEND _consumer_flags " -fsanitize=${NESTOR_SANITIZE}")
  endif()
  add_test(NAME "scripts: examples build and run against the installed package"
           COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/installed_package.sh)
  set_tests_properties("scripts: examples build and run against the installed package" PROPERTIES
                       TIMEOUT 600
                       ENVIRONMENT "NESTOR_SOURCE=${PROJECT_SOURCE_DIR};NESTOR_BUILD=${PROJECT_BINARY_DIR};CMAKE=${CMAKE_COMMAND};CXX=${CMAKE_CXX_COMPILER};CXXFLAGS=${_consumer_flags}")
endif()
