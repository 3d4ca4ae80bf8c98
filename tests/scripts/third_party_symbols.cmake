# What others see of our libraries: programs that use the same third-party code keep their own functions.
if(TARGET nestor_storage)
  add_executable(nestor_beside_hnswlib ${CMAKE_CURRENT_LIST_DIR}/beside_hnswlib.cpp)
  target_link_libraries(nestor_beside_hnswlib PRIVATE nestor::storage)
  target_include_directories(nestor_beside_hnswlib SYSTEM PRIVATE ${HNSWLIB_INCLUDE_DIR})
  add_test(NAME "scripts: a program with Debian's hnswlib links and runs"
           COMMAND nestor_beside_hnswlib ${PROJECT_BINARY_DIR}/beside_hnswlib)
  add_test(NAME "scripts: no third-party symbol leaves the embedded library"
           COMMAND ${NESTOR_PYTHON} -B ${CMAKE_CURRENT_LIST_DIR}/third_party_symbols.py ${CMAKE_NM}
                   $<TARGET_FILE:nestor_index> $<TARGET_FILE:nestor_storage>)
endif()
