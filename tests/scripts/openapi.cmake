# What the server's tests were answered, against server/openapi.json.
if(TARGET nestor_server_tests)
  add_test(NAME "server: the answers of the tests are as server/openapi.json says"
           COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/server/openapi_test.py
                   $<TARGET_FILE:nestor_server_tests> ${PROJECT_SOURCE_DIR}/server/openapi.json)
  set_tests_properties("server: the answers of the tests are as server/openapi.json says" PROPERTIES TIMEOUT 600)
endif()
