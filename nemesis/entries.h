// The entries of catalog.cc, each defined in the file of its fault.
#pragma once

#include "nemesis/catalog.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {

extern const Entry kPartition, kPacket, kKill, kPause, kFreeze, kGrey, kClock, kPowerLoss, kTornWrite,
    kFileCorruption, kIoError, kDiskFull, kResources, kMembership;

// The fault, once it has begun. One whose begin() fails is destroyed, which heals what it has done.
template <typename Fault, typename... Arguments>
Result<std::unique_ptr<ActiveFault>> begun(std::unique_ptr<Fault> fault, const Arguments&... arguments) {
  if (auto status = fault->begin(arguments...); !status) return tl::make_unexpected(status.error());
  return fault;
}

// A Nemesis from an entry's pure functions and an injection.
class EntryNemesis : public Nemesis {
 public:
  using Inject = Result<std::unique_ptr<ActiveFault>> (*)(const NemesisContext&, const Json&);
  EntryNemesis(const Entry& entry, const NemesisContext& context, Inject injection)
      : entry_(entry), context_(context), inject_(injection) {}

  std::string_view name() const override { return entry_.name; }
  Json plan(Rng& rng, const std::vector<std::string>& nodes) const override {
    return entry_.plan(rng, nodes);
  }
  std::string describe(const Json& parameters) const override {
    return entry_.describe(parameters);
  }
  Result<std::unique_ptr<ActiveFault>> inject(const Json& parameters) override {
    if (auto valid = check_parameters(entry_.parameters, parameters, node_names(context_.lab));
        !valid)
      return fail("{}: {}", entry_.name, valid.error().message);
    return do_inject(parameters);
  }

 protected:
  // The parameters are checked.
  virtual Result<std::unique_ptr<ActiveFault>> do_inject(const Json& parameters) {
    return inject_(context_, parameters);
  }

 private:
  const Entry& entry_;
  NemesisContext context_;
  Inject inject_;
};

}  // namespace gameday::nemesis
