// Metrics of the process itself: what the log held back, contained faults, memory, CPU, TLS handshakes.
#pragma once

#include "base/metrics.h"

namespace mesh::net {
class HandshakePool;
}

namespace mesh::daemon {

// The registry may be read on any thread afterwards.
void register_process_metrics(MetricRegistry& metrics);
// The pool must outlive the last reading.
void register_tls_metrics(MetricRegistry& metrics, const net::HandshakePool& pool);

}  // namespace mesh::daemon
