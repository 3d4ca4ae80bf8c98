# The real `nestor` on the shipped sample: results against NumPy, and every bad input.
if(TARGET nestor)
  add_test(NAME "client: the nestor command on the sample"
           COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/client/cli_test.py
                   $<TARGET_FILE:nestor> ${PROJECT_SOURCE_DIR}/examples/data)
  set_tests_properties("client: the nestor command on the sample" PROPERTIES TIMEOUT 900)
endif()
