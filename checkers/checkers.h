// The checkers, one function and one file each. The table over them is catalog.h.
#pragma once

#include "harness/core/checker.h"

namespace gameday {

const Checker& linearizable_checker();      // I19
const Checker& job_sequence_checker();      // I1
const Checker& log_linearizable_checker();  // I20
const Checker& apply_order_checker();       // I2
const Checker& exactly_once_checker();      // I9
const Checker& set_full_checker();          // I3
const Checker& election_safety_checker();
const Checker& availability_checker();  // I4, I5
const Checker& dirty_read_checker();
const Checker& recovery_checker();  // I7
const Checker& stats_checker();
const Checker& faults_proven_checker();

}  // namespace gameday
