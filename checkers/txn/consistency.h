// Consistency models and the anomalies that they rule out: the lattice of Elle's
// elle.consistency-model 0.2.7, by the same names. Sources of its claims are named in
// consistency.cc.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::txn {

using Names = std::set<std::string, std::less<>>;

// Every name of a model, canonical ("PL-SI") and friendly ("snapshot-isolation").
const Names& model_names();
bool is_model(std::string_view name);
// Whether checks can report it or the lattice knows it.
bool is_anomaly(std::string_view name);
std::string canonical_model(std::string_view name);  // itself where it has no other
std::string friendly_model(std::string_view name);   // what results are printed with

// All anomalies whose presence implies one of these, and all that these imply, themselves included.
Names anomalies_implying(const Names& anomalies);
Names anomalies_implied_by(const Names& anomalies);
bool implies(std::string_view anomaly, std::string_view other);

// Anomalies that must be absent if the models hold. Throws std::invalid_argument for an unknown
// name.
Names anomalies_prohibited_by(const std::vector<std::string>& models);
// Models (canonical names) that cannot hold if there are these anomalies.
Names models_ruled_out_by(const Names& anomalies);

// The weakest models that the anomalies rule out, and the stronger ones that fall with them, by
// friendly names: Elle's :not and :also-not.
struct Boundary {
  Names not_models, also_not;
};
Boundary boundary(const Names& anomalies);

}  // namespace gameday::txn
