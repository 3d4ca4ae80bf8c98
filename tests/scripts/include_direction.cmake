# Includes go one way: index <- storage <- server <- client. The second test plants violations and wants them caught.
set(_include_direction ${CMAKE_CURRENT_LIST_DIR}/include_direction.py)
add_test(NAME "scripts: includes go one way" COMMAND ${NESTOR_PYTHON} ${_include_direction} ${PROJECT_SOURCE_DIR})
add_test(NAME "scripts: an include against the direction is caught"
         COMMAND ${NESTOR_PYTHON} ${_include_direction} --self-test)
