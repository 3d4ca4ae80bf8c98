# cmake --install: the nestor command (component "runtime"), and the embedded library as a CMake package
# (component "development"): find_package(Nestor), targets nestor::storage (embedded) and nestor::remote (client).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_nestor_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Nestor)

# The public headers: Database and what it returns. Everything else may change from commit to commit.
set(_nestor_public_headers
    index/candidate_score.h index/collection.h index/error.h index/dispersion.h index/greedy_merge.h index/knn_lm.h index/options.h index/recall_report.h index/record_store.h index/row_choice.h index/row_columns.h
    index/row_reader.h index/search_types.h
    index/token_softmax.h index/types.h storage/alias_table.h storage/database.h storage/datastore.h
    storage/payload_index.h storage/snapshot.h)
list(APPEND _nestor_public_headers  # certified search
    index/calibration.h index/calibrator.h index/certificate.h index/ranking_metrics.h index/search_policy.h
    index/tuned_policy.h index/tuner.h)
foreach(_header IN LISTS _nestor_public_headers)
  cmake_path(GET _header PARENT_PATH _room)
  install(FILES ${PROJECT_SOURCE_DIR}/${_header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nestor/${_room}
          COMPONENT development)
endforeach()

set(_nestor_libraries nestor_index nestor_storage)
if(TARGET nestor_remote)
  list(APPEND _nestor_libraries nestor_remote)
  install(FILES ${PROJECT_SOURCE_DIR}/client/cpp/remote_database.h ${PROJECT_SOURCE_DIR}/client/cpp/remote_collection.h
                ${PROJECT_SOURCE_DIR}/client/cpp/remote_datastore.h
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/nestor/client/cpp COMPONENT development)
endif()
install(TARGETS ${_nestor_libraries} EXPORT NestorTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(EXPORT NestorTargets NAMESPACE nestor:: DESTINATION ${_nestor_package_dir} COMPONENT development)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/NestorConfig.cmake.in ${PROJECT_BINARY_DIR}/NestorConfig.cmake
                              INSTALL_DESTINATION ${_nestor_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/NestorConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/NestorConfig.cmake ${PROJECT_BINARY_DIR}/NestorConfigVersion.cmake
        DESTINATION ${_nestor_package_dir} COMPONENT development)

if(TARGET nestor)
  install(TARGETS nestor RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/nestor.service DESTINATION lib/systemd/system COMPONENT runtime)
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/nestor.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/nestor.conf DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT runtime)
