#include "checkers/model.h"
#include "checkers/txn/closed_predicate.h"
#include "checkers/txn/list_append.h"
#include "checkers/txn/rw_register.h"
#include "checkers/txn/weak/check.h"

namespace gameday {

// All but closed-predicate may judge a run that is still going on (early): a longer history adds
// transactions and dependencies between them and takes none away. A transaction that is open at its
// end counts by what others read of it; an :ok or :info keeps that, and after a :fail those who read
// it read what was aborted (G1a).
std::span<const Model> transaction_models() {
  constexpr bool kEarly = true;
  static constexpr Model kModels[] = {
      {"list-append", "append elle-list-append",
       "transactions that append to lists and read them: Elle's anomalies and consistency models",
       txn::check_list_append, kEarly},
      {"rw-register", "elle-rw-register wr",
       "transactions that write registers and read them: Elle's anomalies and consistency models",
       txn::check_rw_register, kEarly},
      {"closed-predicate", "elle-closed-predicate predicate",
       "transactions that read rows by key and by predicate: Elle's anomalies and consistency models",
       txn::check_closed_predicate},  // not early: a later write may be what a read has left out
      {"read-committed", "rc",
       "transactions of reads and writes of unique values: read committed with sessions, exactly",
       txn::weak::check_read_committed, kEarly},
      {"read-atomic", "ra",
       "transactions of reads and writes of unique values: read atomic with sessions, exactly",
       txn::weak::check_read_atomic, kEarly},
      {"causal-consistency", "cc",
       "transactions of reads and writes of unique values: causal consistency, exactly",
       txn::weak::check_causal, kEarly},
  };
  return kModels;
}

}  // namespace gameday
