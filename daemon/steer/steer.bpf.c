// Steering without netfilter: TCP to the mesh's range goes to the agent's listeners, DNS of 127.128.0.53 to its DNS
// sockets (docs/formats/steer.md). Compiled by clang -target bpf; must pass the verifier of kernels from 5.10.
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MESH_NETWORK 0x7f800000u  // 127.128.0.0
#define MESH_NETMASK 0xffc00000u  // /10
#define MESH_DNS 0x7f800035u      // 127.128.0.53
#define DNS_PORT 53
#define FAMILY_IPV4 2  // AF_INET; sys/socket.h is no header for this target

// The same numbers stand in sk_lookup.cc.
#define SET_SLOTS 64
#define SLOT_DNS_UDP 128
#define SLOT_DNS_TCP 129
#define SLOTS 130

enum counter { STEERED, DNS_QUESTIONS, REFUSED, COUNTERS };

struct {
  __uint(type, BPF_MAP_TYPE_SOCKMAP);
  __uint(max_entries, SLOTS);
  __type(key, __u32);
  __type(value, __u64);
} sockets SEC(".maps");

// First slot << 32 | number of listeners: one number, so that a reader never sees half of a change.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} active SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, COUNTERS);
  __type(key, __u32);
  __type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 what) {
  __u64* counter = bpf_map_lookup_elem(&counters, &what);
  if (counter) ++*counter;
}

// A slot that holds no socket if there is no listener.
static __always_inline __u32 listener_slot(const struct bpf_sk_lookup* packet) {
  const __u32 zero = 0;
  const volatile __u64* set = bpf_map_lookup_elem(&active, &zero);
  if (!set) return SLOTS;
  const __u64 both = *set;
  const __u32 first = (__u32)(both >> 32);
  const __u32 listeners = (__u32)both;
  if (listeners == 0 || listeners > SET_SLOTS) return SLOTS;
  const __u32 hash = ((__u32)packet->remote_port * 0x9e3779b1u) ^ (packet->remote_ip4 * 0x85ebca6bu);
  return first + (hash >> 8) % listeners;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup* packet) {
  if (packet->family != FAMILY_IPV4) return SK_PASS;
  const __u32 address = bpf_ntohl(packet->local_ip4);
  if ((address & MESH_NETMASK) != MESH_NETWORK) return SK_PASS;
  const int dns = address == MESH_DNS && packet->local_port == DNS_PORT;
  __u32 slot;
  if (packet->protocol == IPPROTO_TCP) slot = dns ? SLOT_DNS_TCP : listener_slot(packet);
  else if (dns) slot = SLOT_DNS_UDP;
  else return SK_PASS;

  struct bpf_sock* socket = bpf_map_lookup_elem(&sockets, &slot);
  if (!socket) {
    count(REFUSED);
    return SK_DROP;
  }
  const long failure = bpf_sk_assign(packet, socket, BPF_SK_LOOKUP_F_REPLACE | BPF_SK_LOOKUP_F_NO_REUSEPORT);
  bpf_sk_release(socket);
  count(failure ? REFUSED : slot == SLOT_DNS_UDP ? DNS_QUESTIONS : STEERED);
  return failure ? SK_DROP : SK_PASS;
}

char program_license[] SEC("license") = "Apache-2.0";
