# Warnings, sanitizers and ccache, on one interface target that every library of ours links privately.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(nestor_warnings INTERFACE)
target_compile_options(nestor_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # GCC 12 reports its own string header and optional (PR105329, PR105562).
  target_compile_options(nestor_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()

if(NESTOR_SANITIZE)
  string(REPLACE "," ";" _sanitizers "${NESTOR_SANITIZE}")
  foreach(_sanitizer IN LISTS _sanitizers)
    add_compile_options(-fsanitize=${_sanitizer})
    add_link_options(-fsanitize=${_sanitizer})
  endforeach()
  add_compile_options(-fno-omit-frame-pointer)
endif()

# nestor_library(index SOURCES ... [PUBLIC libs...] [PRIVATE libs...]): static library nestor_<name>, alias nestor::<name>.
function(nestor_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(nestor_${name} STATIC ${ARG_SOURCES})
  add_library(nestor::${name} ALIAS nestor_${name})
  target_include_directories(nestor_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                                   $<INSTALL_INTERFACE:include/nestor>)
  target_compile_features(nestor_${name} PUBLIC cxx_std_20)
  set_target_properties(nestor_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(nestor_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:nestor_warnings>)
endfunction()
