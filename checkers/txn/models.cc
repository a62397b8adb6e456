#include "checkers/model.h"
#include "checkers/txn/list_append.h"

namespace gameday {

std::span<const Model> transaction_models() {
  static constexpr Model kModels[] = {
      {"list-append", "append elle-list-append",
       "transactions that append to lists and read them: Elle's anomalies and consistency models",
       txn::check_list_append},
  };
  return kModels;
}

}  // namespace gameday
