# The Python package against plain NumPy, in process and over HTTP; its hooks with a stand-in for torch.
if(TARGET nestor_python)
  foreach(part arguments certified datastore family hooks http)
    if(part STREQUAL "http" AND NOT TARGET nestor)
      continue()
    endif()
    set(_name "python: ${part}")
    add_test(NAME ${_name} COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/tests/python/${part}_test.py)
    set_tests_properties(${_name} PROPERTIES TIMEOUT 300 ENVIRONMENT
      "PYTHONPATH=${PROJECT_BINARY_DIR}/python;NESTOR_COMMAND=${PROJECT_BINARY_DIR}/nestor;NESTOR_EXAMPLES=${PROJECT_SOURCE_DIR}/examples/data")
  endforeach()
endif()

# The benchmark and the example run as they stand, on a little data.
if(TARGET nestor_python)
  add_test(NAME "python: bench/knnlm runs on the sample"
           COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/bench/knnlm/knnlm.py --shared /nonexistent --rows 1500
                   --queries 150 --rounds 1 --batch 16 --k 64 --without faiss hnswlib)
  add_test(NAME "python: the example goes from text to perplexity"
           COMMAND ${NESTOR_PYTHON} -B ${PROJECT_SOURCE_DIR}/examples/knn_lm.py)
  set_tests_properties("python: bench/knnlm runs on the sample" "python: the example goes from text to perplexity"
                       PROPERTIES TIMEOUT 300 ENVIRONMENT "PYTHONPATH=${PROJECT_BINARY_DIR}/python")
endif()
