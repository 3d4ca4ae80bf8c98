#pragma once
// The routes, one file per subject. Handlers keep a reference to the context and nothing else.

#include "server/api.h"
#include "server/router.h"

namespace nestor::server {

void add_service_routes(Router& router, Context& context);
void add_calibration_routes(Router& router, Context& context);
void add_certificate_routes(Router& router, Context& context);
void add_tuning_routes(Router& router, Context& context);
void add_alias_routes(Router& router, Context& context);
void add_cluster_routes(Router& router, Context& context);
void add_collection_routes(Router& router, Context& context);
void add_point_read_routes(Router& router, Context& context);
void add_point_write_routes(Router& router, Context& context);
void add_query_routes(Router& router, Context& context);
void add_group_routes(Router& router, Context& context);
void add_facet_routes(Router& router, Context& context);
void add_matrix_routes(Router& router, Context& context);
void add_payload_index_routes(Router& router, Context& context);
void add_snapshot_routes(Router& router, Context& context);
void add_knnlm_routes(Router& router, Context& context);
void add_observation_routes(Router& router, Context& context);

}  // namespace nestor::server
