#pragma once
// Every bound the server puts on strangers, with the value it has when nobody says otherwise.

#include <chrono>
#include <cstddef>

namespace nestor::server {

// Of a connection. Exceeding one is answered by the session, before any handler runs.
struct ConnectionLimits {
  std::size_t body_bytes = std::size_t{32} << 20;      // 413; at most 1 GiB
  std::size_t upload_bytes = std::size_t{64} << 30;    // 413; of snapshots, which go to disk as they arrive
  std::size_t header_bytes = std::size_t{16} << 10;    // 431; start line and fields together
  std::size_t target_bytes = std::size_t{8} << 10;     // 414; path and query string
  std::size_t connections = 1024;                      // beyond: health checks are answered, the rest gets 503
  std::size_t queued_requests = 1024;                  // waiting for a worker, per kind of work; beyond: 503
  std::chrono::milliseconds idle_timeout{75'000};      // between requests: closed silently
  std::chrono::milliseconds header_timeout{10'000};    // first byte of a request to the end of its header: 408
  std::chrono::milliseconds receive_timeout{60'000};   // first byte to last byte of one request; uploads: silence: 408
  std::chrono::milliseconds request_timeout{300'000};  // from there to its answer: 408; `timeout` of a request cuts it
  std::chrono::milliseconds send_timeout{60'000};      // one answer: closed
  std::chrono::milliseconds drain_timeout{10'000};     // stopping: what still runs then is cut
};

// Of what one request may ask for. Exceeding one is a 4xx that names the value and the limit.
struct RequestLimits {
  std::size_t json_depth = 128;
  std::size_t points = 100'000;          // written, deleted or named by one request
  std::size_t searches = 4096;           // in a batch, and queries in a kNN-LM lookup
  std::size_t filter_conditions = 1024;  // in one filter, at all depths: each is evaluated for each row
  std::size_t prefetches = 64;           // in one query, at all depths
  std::size_t prefetch_depth = 8;
  std::size_t examples = 1024;             // positive, negative or pairs of one recommendation
  std::size_t creation_bytes = 256 << 10;  // body of a collection's creation: it is kept with the collection
  std::size_t answer_bytes = std::size_t{256} << 20;
  std::size_t gzip_bytes = 16 << 10;  // answers from this size on are compressed for who takes gzip; 0: none
  unsigned search_threads = 0;        // for the searches of one batch; 0: all cores
  double shadow_share = 0.002;             // of certified queries, searched again exactly to watch their promise
};

}  // namespace nestor::server
