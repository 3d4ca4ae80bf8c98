// A single node: what clients ask about clusters is answered, what would change one is refused.
#include "server/handlers/handlers.h"
#include "server/json_writer.h"

namespace nestor::server {
namespace {

[[noreturn]] void standalone(const Call&, Response&) { throw HttpError(405, "Nestor is running in standalone mode"); }

void collection_cluster(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  response.body += "{\"peer_id\":0,\"shard_count\":1,\"local_shards\":[{\"shard_id\":0,\"points_count\":";
  append_unsigned(response.body, target->count());
  response.body += ",\"state\":\"Active\"}],\"remote_shards\":[],\"shard_transfers\":[]}";
}

}  // namespace

void add_cluster_routes(Router& router, Context& context) {
  router.add({"GET", "/cluster", Lane::inline_, true,
              [](const Call&, Response& response) { response.body += "{\"status\":\"disabled\"}"; }});
  router.add({"GET", "/collections/{name}/cluster", Lane::read, true,
              [&](const Call& call, Response& response) { collection_cluster(context, call, response); }});
  router.add({"POST", "/collections/{name}/cluster", Lane::inline_, true, standalone});
  router.add({"POST", "/cluster/recover", Lane::inline_, true, standalone});
  router.add({"DELETE", "/cluster/peer/{id}", Lane::inline_, true, standalone});
  router.add({"PUT", "/collections/{name}/shards", Lane::inline_, true, standalone});
  router.add({"POST", "/collections/{name}/shards/delete", Lane::inline_, true, standalone});
}

}  // namespace nestor::server
