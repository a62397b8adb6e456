# One library per box of the architecture, one test binary beside it.

add_library(gameday_options INTERFACE)
target_include_directories(gameday_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(gameday_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 and 13 see overlaps and overflows in std::string's own code (GCC PR 105329, 105651).
  target_compile_options(gameday_options INTERFACE -Wno-restrict -Wno-stringop-overflow
                         -Wno-stringop-overread -Wno-array-bounds)
endif()
if(GAMEDAY_WERROR)
  target_compile_options(gameday_options INTERFACE -Werror)
endif()
if(GAMEDAY_SANITIZE)
  target_compile_options(gameday_options INTERFACE -fsanitize=${GAMEDAY_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(gameday_options INTERFACE -fsanitize=${GAMEDAY_SANITIZE})
endif()

# Several sources at once to the compiler: what a file costs alone is mostly instantiating the templates of
# the headers again, so a library is one compilation. -DCMAKE_UNITY_BUILD=OFF compiles each file by itself;
# -DCMAKE_UNITY_BUILD_BATCH_SIZE=8 suits who changes one file again and again.
set(CMAKE_UNITY_BUILD ON CACHE BOOL "compile several sources at once")
set(CMAKE_UNITY_BUILD_BATCH_SIZE 40 CACHE STRING "sources in one compilation, at most")
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # It takes a .cc file that is included for a header, which should have no anonymous namespace.
  target_compile_options(gameday_options INTERFACE -Wno-subobject-linkage)
endif()

# The headers that nearly every file reads, compiled once for all libraries and once for all tests:
# parsing nlohmann's alone takes longer than most of our files.
set(GAMEDAY_PCH <nlohmann/json.hpp> <fmt/format.h> <fmt/ranges.h> <tl/expected.hpp> <algorithm>
    <string> <vector> <map> <memory> <functional> <optional> <chrono> <filesystem>)
function(gameday_pch name)
  cmake_parse_arguments(ARG "" "" "HEADERS;OPTIONS;DEPS" ${ARGN})
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cc CONTENT "")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cc)
  target_link_libraries(${name} PRIVATE gameday_options Threads::Threads fmt::fmt
                        nlohmann_json::nlohmann_json ${ARG_DEPS})
  target_compile_options(${name} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()
set(GAMEDAY_HOT_OPTIONS $<$<CONFIG:Release>:-O2>)
# A test runs once for each time it is compiled.
set(GAMEDAY_TEST_OPTIONS $<$<CONFIG:Release>:-O0>)
gameday_pch(gameday_pch HEADERS ${GAMEDAY_PCH})
gameday_pch(gameday_hot_pch HEADERS ${GAMEDAY_PCH} OPTIONS ${GAMEDAY_HOT_OPTIONS})
if(GAMEDAY_TESTS)
  find_package(GTest REQUIRED)
  gameday_pch(gameday_test_pch HEADERS ${GAMEDAY_PCH} <gtest/gtest.h> OPTIONS ${GAMEDAY_TEST_OPTIONS}
              DEPS GTest::gtest)
endif()

# gameday_library(core SOURCES a.cc DEPS fmt::fmt): a static library gameday_core. HOT: it computes.
# ALONE b.cc: sources too, but compiled by themselves, as their private names are those of their neighbours.
function(gameday_library name)
  cmake_parse_arguments(ARG "HOT" "" "SOURCES;ALONE;DEPS" ${ARGN})
  add_library(gameday_${name} STATIC ${ARG_SOURCES} ${ARG_ALONE})
  set_source_files_properties(${ARG_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_link_libraries(gameday_${name} PUBLIC gameday_options Threads::Threads fmt::fmt
                        nlohmann_json::nlohmann_json)
  foreach(dep ${ARG_DEPS})
    if(TARGET gameday_${dep} OR NOT dep MATCHES "::")
      target_link_libraries(gameday_${name} PUBLIC gameday_${dep})
    else()
      target_link_libraries(gameday_${name} PUBLIC ${dep})
    endif()
  endforeach()
  if(ARG_HOT)
    target_compile_options(gameday_${name} PRIVATE ${GAMEDAY_HOT_OPTIONS})
    target_precompile_headers(gameday_${name} REUSE_FROM gameday_hot_pch)
  else()
    target_precompile_headers(gameday_${name} REUSE_FROM gameday_pch)
  endif()
endfunction()

# gameday_test(core_test SOURCES a_test.cc DEPS core): a GoogleTest binary, one CTest case.
# OWN_MAIN: the sources hold main(). RUNS: other targets, programs which it expects beside itself.
# READS: files that it reads, which are beside it when it runs as that user.
# AS_USER: what it does depends on privileges, so another CTest case runs it as uid 1000, if CTest is root.
# DISKS: it calls sync(2), or depends on nobody doing so. That writes out every disk of the machine, also one
# in another test that is about to lose what it did not sync.
function(gameday_test name)
  cmake_parse_arguments(ARG "OWN_MAIN;AS_USER;DISKS" "TIMEOUT" "SOURCES;DEPS;RUNS;READS" ${ARGN})
  if(NOT GAMEDAY_TESTS)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  foreach(dep ${ARG_DEPS})
    if(TARGET gameday_${dep} OR NOT dep MATCHES "::")
      target_link_libraries(${name} PRIVATE gameday_${dep})
    else()
      target_link_libraries(${name} PRIVATE ${dep})
    endif()
  endforeach()
  if(ARG_OWN_MAIN)
    target_link_libraries(${name} PRIVATE GTest::gtest)
  else()
    target_link_libraries(${name} PRIVATE GTest::gtest GTest::gtest_main)
  endif()
  target_compile_options(${name} PRIVATE ${GAMEDAY_TEST_OPTIONS})
  target_precompile_headers(${name} REUSE_FROM gameday_test_pch)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set(files ${ARG_READS})
  foreach(program ${ARG_RUNS})
    add_dependencies(${name} ${program})
    list(APPEND files $<TARGET_FILE:${program}>)
  endforeach()
  add_test(NAME ${name} COMMAND ${name})
  set(cases ${name})
  if(ARG_AS_USER)
    add_test(NAME ${name}_as_user
             COMMAND ${CMAKE_SOURCE_DIR}/scripts/as_user $<TARGET_FILE:${name}> ${files})
    set_tests_properties(${name}_as_user PROPERTIES SKIP_RETURN_CODE 77)
    list(APPEND cases ${name}_as_user)
  endif()
  # COST: what may take long starts first.
  set_tests_properties(${cases} PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST ${ARG_TIMEOUT})
  if(ARG_DISKS)
    set_tests_properties(${cases} PROPERTIES RESOURCE_LOCK disks)
  endif()
endfunction()
