#include "base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/test.h"

namespace mesh {
namespace {

constexpr ByteCount kMax{1 << 20};

mode_t mode_of(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? st.st_mode & 0777 : 0;
}

TEST_CASE("a file is written whole, replaced whole and read back") {
  const TempDir dir = TempDir::make().value();
  const std::string path = dir.file("state");
  REQUIRE(write_file_atomic(path, "old").ok());
  REQUIRE(write_file_atomic(path, ByteView("n\0w", 3), {.mode = 0600}).ok());
  EXPECT_EQ(read_file(path, kMax).value(), Bytes("n\0w", 3));
  EXPECT_EQ(mode_of(path), 0600);
  EXPECT_EQ(outcome_of(read_file(path + ".tmp", kMax)), Code::NotFound);
}

TEST_CASE("reading refuses what is missing, too large or a folder") {
  const TempDir dir = TempDir::make().value();
  EXPECT_EQ(error_text(read_file(dir.file("none"), kMax)), dir.file("none") + " does not exist");
  REQUIRE(write_file_atomic(dir.file("five"), "12345").ok());
  EXPECT_EQ(outcome_of(read_file(dir.file("five"), ByteCount{4})), Code::Overloaded);
  EXPECT_EQ(read_file(dir.file("five"), ByteCount{5}).value(), "12345");
  EXPECT_EQ(outcome_of(read_file(dir.path(), kMax)), Code::Precondition);
}

TEST_CASE("reading never waits: a pipe or a device is refused, and a huge file before it is read") {
  const TempDir dir = TempDir::make().value();
  REQUIRE_EQ(::mkfifo(dir.file("pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_text(read_file(dir.file("pipe"), kMax)), dir.file("pipe") + " is a pipe, where a file is expected");
  EXPECT_EQ(error_text(read_file("/dev/zero", kMax)), "/dev/zero is a device, where a file is expected");
  REQUIRE(write_file_atomic(dir.file("huge"), "").ok());
  REQUIRE_EQ(::truncate(dir.file("huge").c_str(), off_t{1} << 40), 0);
  EXPECT_EQ(outcome_of(read_file(dir.file("huge"), kMax)), Code::Overloaded);
}

TEST_CASE("what a person names may be a pipe") {
  const TempDir dir = TempDir::make().value();
  int ends[2];
  REQUIRE_EQ(::pipe(ends), 0);
  REQUIRE_EQ(::write(ends[1], "token", 5), 5);
  ::close(ends[1]);
  EXPECT_EQ(read_input_file(fmt::format("/dev/fd/{}", ends[0]), kMax).value(), "token");
  ::close(ends[0]);
  EXPECT_EQ(outcome_of(read_input_file("/dev/zero", kMax)), Code::Overloaded);
}

TEST_CASE("a failed write leaves no trace") {
  const TempDir dir = TempDir::make().value();
  EXPECT_FALSE(write_file_atomic(dir.file("no/folder"), "x").ok());
  REQUIRE(make_dirs(dir.file("taken/by")).ok());
  EXPECT_FALSE(write_file_atomic(dir.file("taken"), "x").ok());  // a folder has that name
  EXPECT_EQ(outcome_of(read_file(dir.file("taken.tmp"), kMax)), Code::NotFound);
}

TEST_CASE("folders are made with those above them, and a file in the way is named") {
  const TempDir dir = TempDir::make().value();
  EXPECT(make_dirs(dir.file("a/b/c"), 0700).ok());
  EXPECT(make_dirs(dir.file("a/b/c")).ok());
  EXPECT_EQ(mode_of(dir.file("a/b/c")), 0700);
  REQUIRE(write_file_atomic(dir.file("a/f"), "").ok());
  EXPECT_EQ(outcome_of(make_dirs(dir.file("a/f"))), Code::Precondition);
  EXPECT(remove_tree(dir.file("a")).ok());
  EXPECT(remove_tree(dir.file("a")).ok());
  EXPECT_EQ(outcome_of(read_file(dir.file("a/f"), kMax)), Code::NotFound);
}

TEST_CASE("a second lock on the same file is refused with the holder's process id") {
  const TempDir dir = TempDir::make().value();
  {
    const auto first = FileLock::acquire(dir.file("lock"));
    REQUIRE(first.ok());
    const auto second = FileLock::acquire(dir.file("lock"));
    REQUIRE_FALSE(second.ok());
    EXPECT_EQ(outcome_of(second), Code::Conflict);
    EXPECT_EQ(error_text(second),
              fmt::format("{} is locked by process {}", dir.file("lock"), ::getpid()));
  }
  EXPECT(FileLock::acquire(dir.file("lock")).ok());
}

TEST_CASE("a temporary folder vanishes with its content, once") {
  std::string path;
  {
    TempDir first = TempDir::make("meshd-test").value();
    path = first.path();
    REQUIRE(write_file_atomic(first.file("x"), "1").ok());
    const TempDir second = std::move(first);
    EXPECT_EQ(second.path(), path);
    EXPECT_EQ(mode_of(path), 0700);
  }
  EXPECT_EQ(mode_of(path), 0);
}

}  // namespace
}  // namespace mesh
