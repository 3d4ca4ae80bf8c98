# The answers read by strict models, as clients with types have them; skipped without httpx and pydantic.
if(TARGET nestor)
  add_test(NAME "client: strict models read what the server answers"
           COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/client/strict_models_test.py $<TARGET_FILE:nestor>)
  set_tests_properties("client: strict models read what the server answers"
                       PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()
