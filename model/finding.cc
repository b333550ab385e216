#include "model/finding.h"

namespace mesh::model {

MESH_ENUM_TABLE(FindingLevel, MESH_FINDING_LEVEL_VALUES)
MESH_MESSAGE_TABLE(Finding, MESH_FINDING_FIELDS)
MESH_MESSAGE_TABLE(Diagnosis, MESH_DIAGNOSIS_FIELDS)

}  // namespace mesh::model
