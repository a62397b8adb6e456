# Debian packages: gameday, and libgameday-dev for those who test systems of their own in C++.
#   ./scripts/package [-DGAMEDAY_MAINTAINER="Name <address>"]
set(GAMEDAY_MAINTAINER "The gameday maintainers <gameday@gameday.invalid>" CACHE STRING
    "Maintainer of the Debian packages")

string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(CONFIGURE OUTPUT ${made}/changelog CONTENT "gameday (${PROJECT_VERSION}) unstable; urgency=medium

  * The state of the source tree; README.md and ARCHITECTURE.md describe it.

 -- ${GAMEDAY_MAINTAINER}  ${now}
")

# What Debian wants beside what everybody gets, and where it wants it.
add_custom_command(
  OUTPUT ${made}/gameday.1.gz ${made}/changelog.gz
  COMMAND gzip -9nc ${made}/gameday.1 > ${made}/gameday.1.gz
  COMMAND gzip -9nc ${made}/changelog > ${made}/changelog.gz
  DEPENDS ${made}/gameday.1 VERBATIM)
add_custom_target(gameday_made_for_debian ALL DEPENDS ${made}/gameday.1.gz)
add_dependencies(gameday_made_for_debian gameday_made)
add_dependencies(installable gameday_made_for_debian)
foreach(package gameday libgameday-dev)
  string(REPLACE "gameday" "debian" component ${package})
  install(FILES cmake/copyright ${made}/changelog.gz DESTINATION share/doc/${package} COMPONENT ${component}
          EXCLUDE_FROM_ALL)
endforeach()
install(FILES ${made}/gameday.1.gz DESTINATION share/man/man1 COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${made}/_gameday DESTINATION share/zsh/vendor-completions COMPONENT debian EXCLUDE_FROM_ALL)

# From the list of packages: what building with the library takes, and what can be tested.
file(STRINGS scripts/packages packages REGEX "^[a-z0-9]")
set(suggests)
set(headers gameday)
foreach(line ${packages})
  if(line MATCHES "^(lib[^ ]+-dev|nlohmann-json3-dev)$" AND NOT line MATCHES "gtest|cli11")
    list(APPEND headers ${line})
  elseif(NOT line MATCHES " tests$" AND line MATCHES "^([^ ]+) ")
    list(APPEND suggests ${CMAKE_MATCH_1})
  endif()
endforeach()
list(JOIN headers ", " headers)
list(JOIN suggests ", " suggests)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME gameday)
set(CPACK_PACKAGE_CONTACT "${GAMEDAY_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_COMPONENTS_ALL program debian development libdebian-dev)
set(CPACK_COMPONENT_PROGRAM_GROUP gameday)
set(CPACK_COMPONENT_DEBIAN_GROUP gameday)
set(CPACK_COMPONENT_DEVELOPMENT_GROUP dev)
set(CPACK_COMPONENT_LIBDEBIAN-DEV_GROUP dev)

set(CPACK_DEBIAN_GAMEDAY_PACKAGE_NAME gameday)
set(CPACK_DEBIAN_GAMEDAY_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_GAMEDAY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_GAMEDAY_PACKAGE_DEPENDS "iptables, e2fsprogs")
set(CPACK_DEBIAN_GAMEDAY_PACKAGE_RECOMMENDS libfaketime)
set(CPACK_DEBIAN_GAMEDAY_PACKAGE_SUGGESTS "${suggests}")
set(CPACK_DEBIAN_GAMEDAY_DESCRIPTION "test what a distributed system promises while things break
gameday starts a cluster of real servers in a private network on one machine,
cuts the network, kills, stops and skews the clocks of nodes, damages their
disks, records what clients saw, and says whether the promises held: VALID,
INVALID, with the operations that contradict each other, or UNKNOWN.
.
It also judges histories that other frameworks recorded.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libgameday-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${headers}")
set(CPACK_DEBIAN_DEV_DESCRIPTION "fault injection tests of distributed systems, as a library
The whole of gameday for C++ programs that test systems of their own with it:
a static library, its headers, a package for CMake's find_package, and a
worked example.")
include(CPack)
