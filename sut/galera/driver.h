// MariaDB's client library without its waits: every call returns by a deadline.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sut/sql_client.h"

namespace gameday::galera {

inline constexpr std::uint16_t kPort = 3306;
inline constexpr const char* kUser = "root";
inline constexpr const char* kDatabase = "gameday";

// `clients` are refused by a node outside of the primary component, and wait for it as it is set
// up.
enum class Session { client, monitor };

std::unique_ptr<sut::SqlDriver> make_driver(const std::string& address, Session session);
sut::SqlDialect dialect();

}  // namespace gameday::galera
