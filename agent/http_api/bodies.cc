#include "agent/http_api/bodies.h"

namespace mesh::agent {

MESH_MESSAGE_TABLE(CatalogRegistration, MESH_CATALOG_REGISTRATION_FIELDS)
MESH_MESSAGE_TABLE(CatalogDeregistration, MESH_CATALOG_DEREGISTRATION_FIELDS)
MESH_MESSAGE_TABLE(CheckStatusBody, MESH_CHECK_STATUS_BODY_FIELDS)

}  // namespace mesh::agent
