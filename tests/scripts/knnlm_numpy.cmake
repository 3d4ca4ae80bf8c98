# knnlm/lookup of a running server against plain NumPy.
if(TARGET nestor)
  add_test(NAME "scripts: knnlm/lookup agrees with NumPy"
           COMMAND ${NESTOR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/knnlm_numpy_test.py $<TARGET_FILE:nestor>
                   ${PROJECT_SOURCE_DIR}/examples/data)
  set_tests_properties("scripts: knnlm/lookup agrees with NumPy" PROPERTIES TIMEOUT 300)
endif()
