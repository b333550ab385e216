#include "server/server_folder.h"

#include "base/log.h"
#include "base/message_json.h"
#include "storage/posix_disk.h"

namespace mesh::server {

namespace {

constexpr ByteCount kFileBytesMax{256 * 1024};

// Present while a server is being made: what lies beside it, without server.json, never served anybody.
std::string marker_file(const std::string& data_dir) { return data_dir + "/creating"; }

Result<bool> exists(const std::string& path) {
  const Result<Bytes> content = read_file(path, kFileBytesMax);
  if (content.ok() || content.error().code == Code::Overloaded) return true;
  if (content.error().code == Code::NotFound) return false;
  return content.error();
}

}  // namespace

Result<bool> holds_log(const std::string& data_dir) {
  storage::PosixDisk disk;
  const auto names = disk.list(log_folder(data_dir));
  if (!names.ok() && names.error().code == Code::NotFound) return false;
  if (!names.ok()) return names.error();
  return !names->empty();
}

Status check_free_folder(const std::string& data_dir) {
  MESH_TRY(made, exists(identity_file(data_dir)));
  if (made) return error(Code::Conflict, "{} is a server's data directory already", data_dir);
  MESH_TRY(interrupted, exists(marker_file(data_dir)));
  MESH_TRY(has_log, holds_log(data_dir));
  if (has_log && !interrupted) {
    return error(Code::Conflict, "{} holds a Raft log, but no server.json: move it away, or restore that file",
                 log_folder(data_dir));
  }
  return {};
}

Result<FileLock> begin_server(const std::string& data_dir) {
  MESH_TRY_STATUS(make_dirs(data_dir));
  MESH_TRY(lock, FileLock::acquire(data_dir + "/server.lock"));
  MESH_TRY_STATUS(check_free_folder(data_dir));
  MESH_TRY_STATUS(write_file_atomic(marker_file(data_dir), "a server is being made here\n"));
  for (const std::string& left : {init_file(data_dir), log_folder(data_dir), tables_folder(data_dir)}) {
    MESH_TRY_STATUS(remove_tree(left));
  }
  return lock;
}

Status finish_server(const std::string& data_dir, const ServerIdentity& identity) {
  MESH_TRY_STATUS(write_file_atomic(identity_file(data_dir), to_json(identity)));
  const Status cleared = remove_tree(marker_file(data_dir));
  if (!cleared.ok()) LOG_WARN("a file was not removed", {"why", cleared.error()});  // server.json counts
  return {};
}

// The marker first and server.json early: what a removal that was interrupted leaves is an attempt to be cleared.
Status remove_server(const std::string& data_dir) {
  const std::string lock_file = data_dir + "/server.lock";
  {
    MESH_TRY(lock, FileLock::acquire(lock_file));
    MESH_TRY_STATUS(write_file_atomic(marker_file(data_dir), "a server is being removed here\n"));
    for (const std::string& path : {identity_file(data_dir), data_dir + "/ca.key", init_file(data_dir),
                                    log_folder(data_dir), tables_folder(data_dir), marker_file(data_dir)}) {
      MESH_TRY_STATUS(remove_tree(path));
    }
  }
  return remove_tree(lock_file);
}

}  // namespace mesh::server
