# Datastores as the codes of the kNN-LM family write them, imported by the real command.
if(TARGET nestor)
  add_test(NAME "client: nestor build reads the datastores of other kNN-LM code"
           COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/client/import_dialects_test.py
                   $<TARGET_FILE:nestor> ${PROJECT_SOURCE_DIR}/examples/data)
  set_tests_properties("client: nestor build reads the datastores of other kNN-LM code" PROPERTIES TIMEOUT 600)
endif()
