#include "checkers/model.h"
#include "checkers/txn/list_append.h"
#include "checkers/txn/rw_register.h"
#include "checkers/txn/weak/check.h"

namespace gameday {

std::span<const Model> transaction_models() {
  static constexpr Model kModels[] = {
      {"list-append", "append elle-list-append",
       "transactions that append to lists and read them: Elle's anomalies and consistency models",
       txn::check_list_append},
      {"rw-register", "elle-rw-register wr",
       "transactions that write registers and read them: Elle's anomalies and consistency models",
       txn::check_rw_register},
      {"read-committed", "rc",
       "transactions of reads and writes of unique values: read committed with sessions, exactly",
       txn::weak::check_read_committed},
      {"read-atomic", "ra",
       "transactions of reads and writes of unique values: read atomic with sessions, exactly",
       txn::weak::check_read_atomic},
      {"causal-consistency", "cc",
       "transactions of reads and writes of unique values: causal consistency, exactly",
       txn::weak::check_causal},
  };
  return kModels;
}

}  // namespace gameday
