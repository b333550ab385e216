// Metrics of the process itself: what the log held back, contained faults, memory, CPU.
#pragma once

#include "base/metrics.h"

namespace mesh::daemon {

// The registry may be read on any thread afterwards.
void register_process_metrics(MetricRegistry& metrics);

}  // namespace mesh::daemon
