#include "model/config.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/test.h"

namespace mesh::model {
namespace {

class Folder {
 public:
  Folder() : dir_(TempDir::make().value()) { REQUIRE(make_dirs(dir_.file("conf.d")).ok()); }

  void write(std::string_view name, std::string_view text) { REQUIRE(write_file_atomic(dir_.file(name), text).ok()); }
  [[nodiscard]] ConfigSources sources() const { return {dir_.file("meshd.yaml"), dir_.file("conf.d"), {}, {}}; }

 private:
  TempDir dir_;
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("without any source all defaults hold") {
  const Config config = load_config({}).value();
  EXPECT_EQ(config.ports.http, 8500);
  EXPECT_EQ(config.ports.https, kPortOff);
  EXPECT_EQ(config.domain, "mesh");
  EXPECT(config.services.empty());
}

TEST_CASE("later sources are stronger: file, conf.d in order, environment, flags; lists are appended") {
  Folder folder;
  folder.write("meshd.yaml", "node: one\ndomain: one\ndata_dir: /one\nports: {http: 1, dns: 1}\njoin: [10.0.0.1]\n");
  folder.write("conf.d/b.yaml", "node: three\njoin: [10.0.0.3]\nservices: [{name: b, port: 2}]\n");
  folder.write("conf.d/a.yaml", "node: two\ndomain: two\njoin: [10.0.0.2]\nservices: [{name: a, port: 1}]\n");
  folder.write("conf.d/ignored.txt", "not: [yaml");
  ConfigSources sources = folder.sources();
  sources.environment = {{"MESHD_HTTP_PORT", "2"}, {"MESHD_DATA_DIR", "/env"}, {"PATH", "/bin"}};
  sources.flags = {{"data-dir", "/flag"}};
  const Config config = load_config(sources).value();
  EXPECT_EQ(config.node, "three");
  EXPECT_EQ(config.domain, "two");
  EXPECT_EQ(config.data_dir, "/flag");
  EXPECT_EQ(config.ports.http, 2);
  EXPECT_EQ(config.ports.dns, 1);
  EXPECT_EQ(config.join, std::vector<std::string>{"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  REQUIRE_EQ(config.services.size(), 2);
  EXPECT_EQ(config.services[0].name, "a");
}

TEST_CASE("a fault inside a service is told with its own line and column") {
  Folder folder;
  folder.write("meshd.yaml",
               "services:\n  - name: web\n    port: 80\n    upstreams:\n      - db\n      - {name: b, bind: \"localhost:1\"}\n"
               "    process: {exe: /bin/web}\n");
  const auto loaded = load_config(folder.sources());
  REQUIRE(!loaded.ok());
  CAPTURE(error_text(loaded));
  EXPECT(has(error_text(loaded), "meshd.yaml:6:25: services[0]: upstreams[1].bind \"localhost:1\" is no address to listen on"));
  EXPECT(has(error_text(loaded), "meshd.yaml:7:20: services[0]: process.exe is not supported yet"));
}

TEST_CASE("all faults of all sources are told at once, each with its place") {
  Folder folder;
  folder.write("meshd.yaml", "node: bad_name!\nbind: 10.0.0\nprots: {http: 1}\n");
  folder.write("conf.d/web.yaml", "services:\n  - {name: web, port: 70000}\n  - name: db\n    prot: 5432\n");
  ConfigSources sources = folder.sources();
  sources.environment = {{"MESHD_HTTP_PROT", "1"}};
  sources.flags = {{"http-port", "x"}};
  const auto loaded = load_config(sources);
  REQUIRE(!loaded.ok());
  const std::string& text = loaded.error().message;
  CAPTURE(text);
  EXPECT(has(text, "meshd.yaml:3:1"));
  EXPECT(has(text, "ports"));  // near miss of prots
  EXPECT(has(text, "web.yaml:2:"));
  EXPECT(has(text, "70000"));
  EXPECT(has(text, "web.yaml:4:5"));
  EXPECT(has(text, "MESHD_HTTP_PORT"));
  EXPECT(has(text, "flag --http-port"));
}

TEST_CASE("single values are checked where they stand") {
  Folder folder;
  folder.write("meshd.yaml",
               "node: bad_name!\nbind: 10.0.0\ndata_dir: here\nports: {http: 65536}\nlog: {level: loud}\n"
               "dns: {recursors: [10.0.0.2, nonsense]}\n");
  const auto loaded = load_config(folder.sources());
  REQUIRE(!loaded.ok());
  const std::string& text = loaded.error().message;
  CAPTURE(text);
  EXPECT(has(text, "meshd.yaml:1:7: node: \"bad_name!\""));
  EXPECT(has(text, ":2:7: bind: \"10.0.0\""));
  EXPECT(has(text, ":3:11: data_dir"));
  EXPECT(has(text, "ports.http: 65536"));
  EXPECT(has(text, "log.level: \"loud\""));
  EXPECT(has(text, "dns.recursors[1]: \"nonsense\""));
}

TEST_CASE("two instances with one id are refused, with both places") {
  Folder folder;
  folder.write("meshd.yaml", "services: [{name: web, port: 1}]\n");
  folder.write("conf.d/again.yaml", "services: [{name: WEB, port: 2}]\n");
  const auto loaded = load_config(folder.sources());
  REQUIRE(!loaded.ok());
  EXPECT(has(error_text(loaded), "again.yaml"));
  EXPECT(has(error_text(loaded), "meshd.yaml already"));
}

TEST_CASE("the main file may be a pipe for a person who waits, not for a daemon") {
  for (const bool waits : {true, false}) {
    int ends[2];
    REQUIRE_EQ(::pipe(ends), 0);
    REQUIRE_EQ(::write(ends[1], "domain: x\n", 10), 10);
    ::close(ends[1]);
    ConfigSources sources;
    sources.file = fmt::format("/dev/fd/{}", ends[0]);
    sources.may_be_pipe = waits;
    EXPECT_EQ(load_config(sources).ok(), waits);
    ::close(ends[0]);
  }
}

TEST_CASE("a main file that is missing is an error, a missing conf.d is none") {
  Folder folder;
  EXPECT_EQ(outcome_of(load_config(folder.sources())), Code::NotFound);
  EXPECT(load_config({"", "/nowhere/conf.d", {}, {}}).ok());
}

TEST_CASE("a service file needs services") {
  EXPECT_EQ(read_service_file("services: [{name: web, port: 80}]", "web.yaml").value().size(), 1);
  EXPECT_EQ(outcome_of(read_service_file("node: a", "web.yaml")), Code::Invalid);
  EXPECT(has(read_service_file("services: [{port: 80}]", "web.yaml").error().message, "web.yaml:1:"));
}

}  // namespace
}  // namespace mesh::model
