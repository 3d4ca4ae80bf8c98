# Settings, keys and logs of the real `nestor serve`.
if(TARGET nestor)
  add_test(NAME "client: settings, keys and logs of nestor serve"
           COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/client/serve_test.py
                   $<TARGET_FILE:nestor> ${PROJECT_SOURCE_DIR}/packaging)
  set_tests_properties("client: settings, keys and logs of nestor serve" PROPERTIES TIMEOUT 300)
endif()
