# The Python package against plain NumPy, in process and over HTTP; its hooks with a stand-in for torch.
if(TARGET nestor_python)
  foreach(part datastore family hooks http)
    if(part STREQUAL "http" AND NOT TARGET nestor)
      continue()
    endif()
    set(_name "python: ${part}")
    add_test(NAME ${_name} COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/python/${part}_test.py)
    set_tests_properties(${_name} PROPERTIES TIMEOUT 300 ENVIRONMENT
      "PYTHONPATH=${PROJECT_BINARY_DIR}/python;NESTOR_COMMAND=${PROJECT_BINARY_DIR}/nestor;NESTOR_EXAMPLES=${PROJECT_SOURCE_DIR}/examples/data")
  endforeach()
endif()
