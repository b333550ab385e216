// Metrics of the process itself: what the log held back, contained faults, memory, CPU, TLS handshakes.
#pragma once

#include <string_view>

#include "base/metrics.h"

namespace mesh::net {
class HandshakePool;
}

namespace mesh::daemon {

// The registry may be read on any thread afterwards.
void register_process_metrics(MetricRegistry& metrics);
// As meshd_PURPOSE_tls_*; purpose: "mesh" or "rpc". The pool must outlive the last reading.
void register_tls_metrics(MetricRegistry& metrics, const net::HandshakePool& pool, std::string_view purpose);

}  // namespace mesh::daemon
