// libpq without its waits: every call returns by a deadline.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sut/sql_client.h"

namespace gameday::postgres {

inline constexpr std::uint16_t kPort = 5432;
inline constexpr const char* kSuperuser = "postgres";

enum class Session { any, primary };  // primary: standbys refuse it

std::unique_ptr<sut::SqlDriver> make_driver(const std::string& address, Session session);

// `isolation`: as in a setting, "repeatable-read".
sut::SqlDialect dialect(const std::string& isolation);

}  // namespace gameday::postgres
