# What `cmake --install` puts where; package.cmake makes Debian packages of it. The program finds what it
# needs from where it stands, so that an installed tree may be moved; hence lib/, whatever the
# machine's own name for it is.
set(private lib/gameday)
set(docs share/doc/gameday)

# The library: one archive of all of ours, so that what a user sees of it is one target.
# What it is made of, and what it needs of others.
function(gameday_gather target)
  get_property(seen GLOBAL PROPERTY gameday_parts)
  if(target IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY gameday_parts ${target})
  get_target_property(dependencies ${target} INTERFACE_LINK_LIBRARIES)
  foreach(dependency ${dependencies})
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" dependency "${dependency}")
    if(dependency MATCHES "^gameday_options$|BUILD_INTERFACE")
      continue()
    elseif(dependency MATCHES "^gameday_")
      gameday_gather(${dependency})
    elseif(dependency MATCHES "^PkgConfig::(.*)")
      set_property(GLOBAL APPEND PROPERTY gameday_libraries ${${CMAKE_MATCH_1}_LIBRARIES})
    elseif(dependency MATCHES "^Boost::(.*)")
      set_property(GLOBAL APPEND PROPERTY gameday_targets ${dependency})
      set_property(GLOBAL APPEND PROPERTY gameday_packages "Boost COMPONENTS ${CMAKE_MATCH_1}")
    else()
      string(REGEX MATCH "^[^:]+" package ${dependency})
      set_property(GLOBAL APPEND PROPERTY gameday_targets ${dependency})
      set_property(GLOBAL APPEND PROPERTY gameday_packages ${package})
    endif()
  endforeach()
endfunction()
gameday_gather(gameday_program)
foreach(what parts libraries targets packages)
  get_property(gameday_${what} GLOBAL PROPERTY gameday_${what})
  list(REMOVE_DUPLICATES gameday_${what})
endforeach()
list(TRANSFORM gameday_parts REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>")
add_library(gameday_whole STATIC ${gameday_parts})
set_target_properties(gameday_whole PROPERTIES OUTPUT_NAME gameday EXPORT_NAME gameday LINKER_LANGUAGE CXX)
target_compile_features(gameday_whole INTERFACE cxx_std_20)
target_include_directories(gameday_whole INTERFACE $<INSTALL_INTERFACE:include/gameday>
                           $<INSTALL_INTERFACE:include>)
foreach(library ${gameday_targets} ${gameday_libraries})
  target_link_libraries(gameday_whole INTERFACE $<INSTALL_INTERFACE:${library}>)
endforeach()

list(TRANSFORM gameday_packages REPLACE "(.+)" "find_dependency(\\1)")
list(JOIN gameday_packages "\n" gameday_packages)
configure_file(cmake/gameday-config.cmake.in gameday-config.cmake @ONLY)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/gameday-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(TARGETS gameday_whole EXPORT gameday ARCHIVE DESTINATION lib COMPONENT development)
install(EXPORT gameday NAMESPACE gameday:: FILE gameday-targets.cmake DESTINATION lib/cmake/gameday
        COMPONENT development)
install(FILES ${CMAKE_BINARY_DIR}/gameday-config.cmake ${CMAKE_BINARY_DIR}/gameday-config-version.cmake
        DESTINATION lib/cmake/gameday COMPONENT development)
# Headers include each other by their paths here, which begin with include/gameday there.
install(FILES harness/cli/gameday.h DESTINATION include/gameday COMPONENT development)
foreach(header harness/core/error.h harness/core/json.h harness/core/membership.h harness/core/op.h
        harness/core/rng.h harness/core/system.h sut/connection.h sut/http/http_client.h sut/kv_client.h
        sut/mops.h sut/sql_client.h)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION include/gameday/${folder} COMPONENT development)
endforeach()
install(DIRECTORY sut/custom/examples/own_system DESTINATION ${docs}/examples COMPONENT development)

# The program, and the server that it starts.
install(TARGETS gameday RUNTIME DESTINATION bin COMPONENT program)
install(TARGETS searchd RUNTIME DESTINATION ${private} COMPONENT program)
install(FILES README.md ARCHITECTURE.md DESTINATION ${docs} COMPONENT program)
install(FILES workloads/OPS.md DESTINATION ${docs}/workloads COMPONENT program)
install(FILES sut/custom/FORMAT.md DESTINATION ${docs}/sut/custom COMPONENT program)
install(FILES sut/search/API.md DESTINATION ${docs}/sut/search COMPONENT program)
install(DIRECTORY sut/custom/examples DESTINATION ${docs} COMPONENT program USE_SOURCE_PERMISSIONS
        PATTERN own_system EXCLUDE)

# What the program says of itself.
set(made ${CMAKE_BINARY_DIR}/made)
add_custom_command(
  OUTPUT ${made}/gameday.1 ${made}/gameday ${made}/_gameday
  COMMAND ${CMAKE_COMMAND} -E make_directory ${made}
  COMMAND gameday man > ${made}/gameday.1
  COMMAND gameday completion bash > ${made}/gameday
  COMMAND gameday completion zsh > ${made}/_gameday
  DEPENDS gameday VERBATIM)
add_custom_target(gameday_made ALL DEPENDS ${made}/gameday.1 ${made}/gameday ${made}/_gameday)
install(FILES ${made}/gameday.1 DESTINATION share/man/man1 COMPONENT local)
install(FILES ${made}/gameday DESTINATION share/bash-completion/completions COMPONENT program)
install(FILES ${made}/_gameday DESTINATION share/zsh/site-functions COMPONENT local)
add_custom_target(installable DEPENDS gameday searchd gameday_whole gameday_made)
