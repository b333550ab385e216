#include "model/member.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(Member, MESH_MEMBER_FIELDS)

}  // namespace mesh::model
