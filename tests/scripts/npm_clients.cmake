# Real clients of the dialect against the built server; skipped without node or the npm registry.
if(TARGET nestor)
  add_test(NAME "client: JavaScript clients and LangChain against the server"
           COMMAND ${PROJECT_SOURCE_DIR}/tests/npm/run.sh $<TARGET_FILE:nestor> ${CMAKE_CURRENT_BINARY_DIR}/npm)
  set_tests_properties("client: JavaScript clients and LangChain against the server"
                       PROPERTIES TIMEOUT 900 SKIP_RETURN_CODE 77)
endif()
