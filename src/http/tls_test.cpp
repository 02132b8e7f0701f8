// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/mman.h>

#include <cstdlib>

#include "async/listener.h"
#include "http/http_fixture.h"

namespace berth::http {
namespace {

using namespace std::chrono_literals;

/// Certificates made by openssl(1), once for all tests.
class Certificates {
  public:
    Certificates() {
        ::mkdtemp(dir_.data());
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt "
            "-days 2 "
            "-subj '/CN=Test CA'");
        issue("server", "/CN=server", "subjectAltName=DNS:localhost,DNS:*.wild.example,IP:127.0.0.1", "2");
        issue("names", "/CN=names", "subjectAltName=DNS:localhost,DNS:registry.example", "2");
        issue("legacy", "/CN=registry.example", "basicConstraints=CA:FALSE", "2");
        issue("expired", "/CN=expired", "subjectAltName=IP:127.0.0.1", "-1");
        issue("client", "/CN=alice", "basicConstraints=CA:FALSE", "2");
    }
    ~Certificates() { std::system(("rm -rf " + dir_).c_str()); }
    std::string operator/(std::string_view name) const { return dir_ + "/" + std::string(name); }

    TlsServerOptions server(const std::string& name) const {
        TlsServerOptions options;
        options.certificate_file = *this / (name + ".crt");
        options.key_file = *this / (name + ".key");
        return options;
    }

  private:
    void run(const std::string& command) {
        std::string whole = "cd " + dir_ + " && { " + command + "; } >>log 2>&1";
        if (std::system(whole.c_str()) != 0) ADD_FAILURE() << whole;
    }
    void issue(const std::string& name, const std::string& subject, const std::string& extension,
               const std::string& days) {
        run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key -out " +
            name + ".csr -subj '" + subject + "' && echo '" + extension + "' > " + name +
            ".ext && openssl x509 -req -in " + name + ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days " +
            days + " -extfile " + name + ".ext -out " + name + ".crt");
    }
    std::string dir_ = "/tmp/berth-tls-XXXXXX";
};

const Certificates& certificates() {
    static const Certificates made;
    return made;
}

async::Task<void> echo(Request& request, Response& response) {
    response.headers.set("X-Client", request.client_certificate);
    std::string body = co_await request.read_all(100'000'000);
    co_await response.send(std::move(body));
}

ServerOptions secure(const std::string& name) {
    ServerOptions options;
    options.tls = certificates().server(name);
    return options;
}

ClientOptions trusting() {
    ClientOptions options;
    options.tls = [](const Url&) {
        TlsClientOptions tls;
        tls.ca_files.push_back(certificates() / "ca.crt");
        return tls;
    };
    return options;
}

std::string failure_with(const std::string& certificate, ClientOptions options, std::string url = {}) {
    RunningServer server(echo, secure(certificate));
    async::Context context;
    Client client(context, std::move(options));
    if (url.empty()) url = server.url("/", "https");
    return error_of([&] { context.block_on(fetch(client, request_for(url))); });
}

TEST(TlsTest, CarriesBodiesOfAllKinds) {
    RunningServer server(echo, secure("server"));
    async::Context context;
    Client client(context, trusting());
    for (size_t size : {size_t(0), size_t(10), size_t(20'000), size_t(5'000'000)}) {
        ClientRequest request = request_for(server.url("/", "https"), "POST");
        request.body.text.assign(size, 'x');
        EXPECT_EQ(context.block_on(fetch(client, std::move(request))).body, std::string(size, 'x'));
    }
    UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    std::string content(3'000'000, 'f');
    ASSERT_EQ(::write(file.get(), content.data(), content.size()), ssize_t(content.size()));
    ClientRequest request = request_for(server.url("/", "https"), "PUT");
    request.body.fd = file.get();
    request.body.offset = 5;
    request.body.length = content.size() - 5;
    EXPECT_EQ(context.block_on(fetch(client, std::move(request))).body, content.substr(5));
    EXPECT_EQ(server.open_connections(), 1u);
    // By name as well.
    std::string url = fmt::format("https://localhost:{}/", server.bound.port);
    EXPECT_EQ(context.block_on(fetch(client, request_for(url))).status, 200);
}

TEST(TlsTest, ChunksAndFilesOfTheServer) {
    UniqueFd file(::memfd_create("file", MFD_CLOEXEC));
    std::string content(3'000'000, 'f');
    ASSERT_EQ(::write(file.get(), content.data(), content.size()), ssize_t(content.size()));
    auto handler = [&](Request& request, Response& response) -> async::Task<void> {
        if (request.path == "/file") {
            co_await response.send_file(file.get(), 1, content.size() - 1);
            co_return;
        }
        co_await response.start();
        for (size_t size : {size_t(1), size_t(16'380), size_t(16'384), size_t(70'000), size_t(3)}) {
            std::string piece(size, 'c');
            co_await response.write(piece);
        }
        co_await response.finish();
    };
    RunningServer server(handler, secure("server"));
    async::Context context;
    Client client(context, trusting());
    EXPECT_EQ(context.block_on(fetch(client, request_for(server.url("/file", "https")))).body,
              content.substr(1));
    EXPECT_EQ(context.block_on(fetch(client, request_for(server.url("/", "https")))).body.size(), 102'768u);
}

TEST(TlsTest, RefusesCertificatesAndSaysWhy) {
    std::string message = failure_with("server", {});
    EXPECT_TRUE(message.starts_with("Get \"https://127.0.0.1:")) << message;
    EXPECT_TRUE(
        message.ends_with("tls: failed to verify certificate: x509: certificate signed by unknown authority"))
        << message;
    message = failure_with("names", trusting());
    EXPECT_TRUE(message.ends_with(
        "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"))
        << message;
    message = failure_with("expired", trusting());
    EXPECT_NE(message.find("x509: certificate has expired or is not yet valid: current time is 2"),
              std::string::npos)
        << message;
    ClientOptions careless;
    careless.tls = [](const Url&) {
        TlsClientOptions tls;
        tls.verify = false;
        return tls;
    };
    RunningServer server(echo, secure("expired"));
    async::Context context;
    Client client(context, careless);
    EXPECT_EQ(context.block_on(fetch(client, request_for(server.url("/", "https")))).status, 200);
}

TEST(TlsTest, TheWrongProtocolIsTold) {
    async::Context context;
    Client client(context, trusting());
    RunningServer plain(echo), secured(echo, secure("server"));
    std::string message =
        error_of([&] { context.block_on(fetch(client, request_for(plain.url("/v2/", "https")))); });
    EXPECT_TRUE(message.ends_with("http: server gave HTTP response to HTTPS client")) << message;
    Answer answer = context.block_on(fetch(client, request_for(secured.url())));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body, "Client sent an HTTP request to an HTTPS server.\n");
}

TEST(TlsTest, HandshakesDoNotTakeForever) {
    ServerOptions options = secure("server");
    options.header_timeout = 30ms;
    RunningServer server(echo, options);
    EXPECT_EQ(RawClient(server).read_to_end(), "");
    // A server that says nothing.
    async::Context context;
    async::Listener silent(context, async::Address::parse("127.0.0.1:0"));
    ClientOptions impatient = trusting();
    impatient.connect_timeout = 50ms;
    Client client(context, impatient);
    std::string url = fmt::format("https://127.0.0.1:{}/", silent.address().port);
    std::string message = error_of([&] { context.block_on(fetch(client, request_for(url))); });
    EXPECT_TRUE(message.ends_with("net/http: TLS handshake timeout")) << message;
}

TEST(TlsTest, ClientsCanBeAskedForCertificates) {
    ServerOptions options = secure("server");
    options.tls->client_ca_file = certificates() / "ca.crt";
    RunningServer server(echo, options);
    async::Context context;
    Client nobody(context, trusting());
    std::string message =
        error_of([&] { context.block_on(fetch(nobody, request_for(server.url("/", "https")))); });
    EXPECT_NE(message.find("certificate required"), std::string::npos) << message;
    ClientOptions with = trusting();
    with.tls = [](const Url&) {
        TlsClientOptions tls;
        tls.ca_files.push_back(certificates() / "ca.crt");
        tls.certificate_file = certificates() / "client.crt";
        tls.key_file = certificates() / "client.key";
        return tls;
    };
    Client alice(context, with);
    EXPECT_EQ(context.block_on(fetch(alice, request_for(server.url("/", "https")))).headers.get("X-Client"),
              "alice");
}

TEST(TlsTest, FilesThatCannotBeUsedAreNamed) {
    async::Context context;
    auto with = [&](const TlsServerOptions& tls) {
        ServerOptions options;
        options.tls = tls;
        Server server(context, options, echo);
    };
    TlsServerOptions tls = certificates().server("server");
    tls.certificate_file = "/nowhere/x.crt";
    EXPECT_EQ(error_of([&] { with(tls); }, ErrorKind::not_found),
              "open /nowhere/x.crt: no such file or directory");
    tls = certificates().server("server");
    tls.key_file = certificates() / "client.key";
    EXPECT_NE(error_of([&] { with(tls); }, ErrorKind::invalid_argument).find("key"), std::string::npos);
    tls.certificate_file = "/etc/passwd";
    EXPECT_NE(error_of([&] { with(tls); }, ErrorKind::invalid_argument).find("/etc/passwd"),
              std::string::npos);
}

TEST(TlsTest, Curl) {
    if (::access("/usr/bin/curl", X_OK) != 0) GTEST_SKIP() << "no curl";
    RunningServer server(echo, secure("server"));
    std::string command = "curl -sS --noproxy '*' --cacert " + (certificates() / "ca.crt") + " -d hello " +
                          server.url("/", "https") + " | grep -qx hello";
    EXPECT_EQ(std::system(command.c_str()), 0);
}

/// A proxy for CONNECT: wherever one wants to go, one gets to `target`.
class Tunnel {
  public:
    explicit Tunnel(async::Address target)
        : target_(std::move(target)), listener_(context_, async::Address::parse("127.0.0.1:0")) {
        thread_ = std::thread([this] {
            context_.spawn("tunnel", serve());
            context_.run();
        });
    }
    ~Tunnel() {
        context_.stop();
        thread_.join();
    }
    std::function<std::optional<Url>(const Url&)> proxy() const {
        std::string url = fmt::format("http://user:pass@127.0.0.1:{}", listener_.address().port);
        return [url](const Url&) { return Url::parse(url); };
    }
    std::string head;

  private:
    static async::Task<void> pump(async::Stream& from, async::Stream& to) {
        std::vector<std::byte> buffer(65536);
        while (size_t count = co_await from.read_some(buffer)) {
            std::span<const std::byte> piece(buffer.data(), count);
            co_await to.write(piece);
        }
        co_await to.shutdown_write();
    }
    async::Task<void> serve() {
        auto near = co_await listener_.accept();
        std::vector<std::byte> buffer(65536);
        while (head.find("\r\n\r\n") == std::string::npos) {
            size_t count = co_await near->read_some(buffer);
            head.append(reinterpret_cast<char*>(buffer.data()), count);
        }
        bool allowed = head.find("forbidden.example") == std::string::npos;
        std::string_view answer = allowed ? "HTTP/1.1 200 Connection established\r\n\r\n"
                                          : "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        co_await near->write(std::as_bytes(std::span(answer)));
        if (!allowed) co_return;
        auto far = co_await async::connect(target_);
        std::vector<async::Task<void>> both;
        both.push_back(pump(*near, *far));
        both.push_back(pump(*far, *near));
        co_await async::all_of(std::move(both));
    }
    async::Address target_;
    async::Context context_;
    async::Listener listener_;
    std::thread thread_;
};

struct Tunnelled {
    explicit Tunnelled(const std::string& certificate)
        : server(echo, secure(certificate)), tunnel(server.bound) {
        ClientOptions options = trusting();
        options.proxy = tunnel.proxy();
        client = std::make_unique<Client>(context, options);
    }
    Answer get(std::string_view url) { return context.block_on(fetch(*client, request_for(url))); }

    RunningServer server;
    Tunnel tunnel;
    async::Context context;
    std::unique_ptr<Client> client;
};

TEST(TunnelTest, GoesThroughConnect) {
    Tunnelled f("names");
    EXPECT_EQ(f.get("https://registry.example/v2/").status, 200);
    EXPECT_TRUE(
        f.tunnel.head.starts_with("CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n"))
        << f.tunnel.head;
    EXPECT_NE(f.tunnel.head.find("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"), std::string::npos);
    EXPECT_EQ(f.get("https://registry.example/").status, 200);  // on the same connection
}

TEST(TunnelTest, NamesAreVerified) {
    std::string message = error_of([] { Tunnelled("names").get("https://other.example/"); });
    EXPECT_TRUE(
        message.ends_with("x509: certificate is valid for localhost, registry.example, not other.example"))
        << message;
    message = error_of([] { Tunnelled("legacy").get("https://registry.example/"); });
    EXPECT_TRUE(message.ends_with("x509: certificate relies on legacy Common Name field, use SANs instead"))
        << message;
    EXPECT_EQ(Tunnelled("server").get("https://a.wild.example/").status, 200);
    error_of([] { Tunnelled("server").get("https://a.b.wild.example/"); });
}

TEST(TunnelTest, ARefusalIsTold) {
    std::string message = error_of([] { Tunnelled("names").get("https://forbidden.example/"); });
    EXPECT_NE(message.find("proxyconnect tcp: http://127.0.0.1:"), std::string::npos) << message;
    EXPECT_TRUE(message.ends_with("403 Forbidden")) << message;
}

}  // namespace
}  // namespace berth::http
