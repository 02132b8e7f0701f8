// SPDX-License-Identifier: Apache-2.0
// Service ports with a real firewall, real bridges and connections that are really made, in a network
// namespace of the test's own. Replicas are namespaces with a socket that listens; no program runs there.
#include "engine/networks/service_ports.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <list>

#include "async/thread.h"
#include "base/error.h"
#include "engine/state/state_db.h"
#include "engine/system/events.h"
#include "net/link.h"
#include "net/namespace.h"
#include "sys/file.h"

namespace berth::engine {
namespace {

using net::Protocol;
using testing::ElementsAre;
using namespace std::chrono_literals;
using Counts = std::map<std::string, int>;

constexpr uint16_t kPort = 8080;

/// A container's place in the network, as Sandboxes would make it.
struct Replica {
    std::string id;
    UniqueFd netns;
    net::IpAddress address;
    UniqueFd listener;

    void listen() {
        net::NamespaceScope inside(netns.get());
        listener = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        int on = 1;  // connections of before may linger in TIME_WAIT
        ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(80);
        ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
        ASSERT_EQ(::listen(listener.get(), 128), 0);
    }
};

/// Makes this thread, and those that it starts, live in a namespace of their own.
class OwnNetwork {
  public:
    OwnNetwork() : netns_(net::make_namespace()), inside_(netns_.get()) {}

  private:
    UniqueFd netns_;
    net::NamespaceScope inside_;
};

class ServicePortsTest : public testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
        char folder[] = "/tmp/berth-services-XXXXXX";
        ASSERT_NE(mkdtemp(folder), nullptr);
        folder_ = folder;
        config_.exec_root = folder_;
        own_ = std::make_unique<OwnNetwork>();
        context_ = std::make_unique<async::Context>();
        streams_ = std::make_unique<async::Thread>("streams", 1);
        database_ = std::make_unique<StateDb>(*context_, folder_ + "/engine.db");
        events_ = std::make_unique<Events>(*context_, *database_);
        start_parts();
        run(networks_->recover());
        try {
            run(firewall_->start(all_rules()));
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unavailable) throw;
            GTEST_SKIP() << error.what();
        }
        run(networks_->open(true));
        run(services_->begin());
        spec::api::NetworkCreateRequest request;
        request.Name = "lan";
        run(networks_->create(std::move(request)));
        network_ = networks_->get("lan");
    }

    void TearDown() override {
        replicas_.clear();
        services_.reset();
        if (firewall_) run(firewall_->stop(true));
        networks_.reset();
        firewall_.reset();
        dns_.reset();
        events_.reset();
        database_.reset();
        if (streams_) streams_->stop();
        streams_.reset();
        context_.reset();
        own_.reset();
        if (!folder_.empty()) sys::remove_tree_at(AT_FDCWD, folder_);
    }

    void start_parts() {
        net::Firewall::Options options;
        options.tag = machine_tag(config_);
        firewall_ = std::make_unique<net::Firewall>(*context_, std::move(options));
        dns_ = std::make_unique<net::DnsServer>(*context_, streams_->context(), net::DnsServer::Options{});
        networks_ = std::make_unique<Networks>(
            Networks::Dependencies{*context_, config_, *database_, *events_, *firewall_});
        services_ = std::make_unique<ServicePorts>(
            ServicePorts::Dependencies{*context_, *networks_, *firewall_, *dns_, {}});
    }

    net::FirewallChange all_rules() {
        net::FirewallChange all = networks_->rules(), services = services_->rules();
        all.services = services.services;
        all.addresses = services.addresses;
        return all;
    }

    template <typename T>
    T run(async::Task<T> task) {
        return context_->block_on(async::with_timeout(30s, "a step of the test", std::move(task)));
    }

    Replica& make_replica(std::string id) {
        Replica replica;
        replica.id = std::move(id);
        replica.netns = net::make_namespace();
        AddressLease lease = networks_->take_addresses(*network_, std::nullopt, std::nullopt);
        replica.address = lease.v4->address;
        net::EndpointSpec spec;
        spec.parent = network_->interface;
        spec.host_interface = "ve" + replica.id;
        spec.interface = "eth0";
        spec.addresses = {*lease.v4};
        spec.gateways = {*lease.gateway4};
        net::attach_endpoint(replica.netns.get(), spec);
        replicas_.push_back(std::move(replica));
        return replicas_.back();
    }

    ServiceMember member(const Replica& replica, bool has_health_check = false) const {
        ServiceMember member;
        member.container_id = replica.id;
        member.settings = {.key = "shop/web", .project = "shop", .name = "web", .balance = {}, .drain = 7s};
        member.has_health_check = has_health_check;
        member.ports = {{Protocol::tcp, net::IpAddress::any(net::Family::v4), kPort, replica.address, 80}};
        member.networks = {{network_, replica.address}};
        return member;
    }

    Replica& join(std::string id) {
        Replica& replica = make_replica(std::move(id));
        run(services_->joined(member(replica), replica.netns.get()));
        return replica;
    }

    /// Who took a connection: the replica, "refused", or "nobody".
    std::string connect(const net::IpAddress& address = *net::IpAddress::parse("127.0.0.1"),
                        uint16_t port = kPort) {
        UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        timeval limit{5, 0};
        ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        std::memcpy(&name.sin_addr, address.bytes.data(), 4);
        if (::connect(client.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
            return errno == ECONNREFUSED ? "refused" : "nobody: " + errno_text(errno);
        for (const Replica& replica : replicas_) {
            if (!replica.listener) continue;
            UniqueFd taken(::accept4(replica.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (taken) return replica.id;
        }
        return "nobody";
    }

    Counts connect_often(int count) {
        Counts counts;
        for (int i = 0; i < count; ++i) ++counts[connect()];
        return counts;
    }

    /// Lets the daemon's side go on until this many connections are spread so.
    async::Task<void> until(Counts wanted, int count) {
        Counts found;
        while (found != wanted) found = co_await async::run_blocking([&] { return connect_often(count); });
    }
    void wait_for(Counts wanted, int count) { run(until(std::move(wanted), count)); }

    std::string folder_;
    DaemonConfig config_;
    std::unique_ptr<OwnNetwork> own_;
    std::unique_ptr<async::Context> context_;
    std::unique_ptr<async::Thread> streams_;
    std::unique_ptr<StateDb> database_;
    std::unique_ptr<Events> events_;
    std::unique_ptr<net::Firewall> firewall_;
    std::unique_ptr<net::DnsServer> dns_;
    std::unique_ptr<Networks> networks_;
    std::unique_ptr<ServicePorts> services_;
    std::shared_ptr<const NetworkRecord> network_;
    std::list<Replica> replicas_;
};

TEST_F(ServicePortsTest, ConnectionsAreSpreadOverWhoListens) {
    Replica& a = join("a");
    Replica& b = join("b");
    EXPECT_EQ(connect(), "refused");
    a.listen();
    wait_for({{"a", 4}}, 4);
    b.listen();
    wait_for({{"a", 2}, {"b", 2}}, 4);
    join("c").listen();
    wait_for({{"a", 2}, {"b", 2}, {"c", 2}}, 6);
    EXPECT_EQ(connect_often(300), (Counts{{"a", 100}, {"b", 100}, {"c", 100}}));

    b.listener.reset();
    wait_for({{"a", 2}, {"c", 2}}, 4);
    b.listen();
    wait_for({{"a", 2}, {"b", 2}, {"c", 2}}, 6);
}

TEST_F(ServicePortsTest, WhoMeetsAReplicaAsItEndsComesToAnother) {
    Replica& a = join("a");
    Replica& b = join("b");
    a.listen();
    b.listen();
    wait_for({{"a", 2}, {"b", 2}}, 4);
    a.listener.reset();
    // The daemon doesn't know yet: this thread is its loop.
    EXPECT_EQ(connect_often(2), (Counts{{"b", 2}}));
}

TEST_F(ServicePortsTest, WhoLeavesGetsNoNewConnection) {
    Replica& a = join("a");
    Replica& b = join("b");
    a.listen();
    b.listen();
    wait_for({{"a", 2}, {"b", 2}}, 4);
    EXPECT_EQ(services_->drain_of("a"), 7s);
    EXPECT_TRUE(run(services_->leave("a")));
    EXPECT_EQ(connect_often(10), (Counts{{"b", 10}}));
    EXPECT_FALSE(run(services_->leave("a")));

    run(services_->rejoin("a"));
    EXPECT_EQ(connect_often(10), (Counts{{"a", 5}, {"b", 5}}));
    run(services_->ended("b"));
    EXPECT_EQ(connect_often(10), (Counts{{"a", 10}}));
    run(services_->ended("a"));
    EXPECT_EQ(connect(), "refused") << "nothing of the service is left";
    EXPECT_EQ(services_->drain_of("a"), std::nullopt);
    EXPECT_FALSE(run(services_->leave("a")));
}

TEST_F(ServicePortsTest, AHealthyReplicaIsThereWhenThatIsShown) {
    Replica& a = make_replica("a");
    a.listen();
    run(services_->joined(member(a, true), a.netns.get()));
    EXPECT_EQ(connect(), "refused");
    run(services_->set_healthy("a", true));
    EXPECT_EQ(connect(), "a");
    run(services_->set_healthy("a", false));
    EXPECT_EQ(connect(), "refused");
    run(services_->set_healthy("unknown", true));
}

TEST_F(ServicePortsTest, TheVirtualAddressStaysWhenNobodyRuns) {
    Replica& a = join("a");
    a.listen();
    wait_for({{"a", 1}}, 1);
    auto address = run(networks_->virtual_address(*network_, "shop/web"));
    ASSERT_TRUE(address);
    EXPECT_NE(*address, a.address);
    EXPECT_THAT(net::addresses_of(network_->interface), testing::Contains(net::Prefix{*address, 32}));
    EXPECT_EQ(connect(*address, 80), "a");
    run(services_->ended("a"));
    EXPECT_EQ(connect(*address, 80), "refused");

    Replica& b = join("b");
    b.listen();
    wait_for({{"b", 1}}, 1);
    EXPECT_EQ(connect(*address, 80), "b");
    EXPECT_EQ(run(services_->drop_unused(network_)), 0u) << "it has a member";
    run(services_->ended("b"));
    EXPECT_EQ(run(services_->drop_unused(network_)), 1u);
    EXPECT_THAT(net::addresses_of(network_->interface),
                testing::Not(testing::Contains(net::Prefix{*address, 32})));
}

TEST_F(ServicePortsTest, ADaemonThatComesBackKnowsAtOnceWhoListens) {
    Replica& a = join("a");
    Replica& b = join("b");
    join("c");
    a.listen();
    b.listen();
    wait_for({{"a", 2}, {"b", 2}}, 4);
    services_.reset();
    networks_.reset();
    run(firewall_->stop(false));
    firewall_.reset();
    EXPECT_EQ(connect_often(4), (Counts{{"a", 2}, {"b", 2}})) << "the kernel needs no daemon";

    b.listener.reset();
    start_parts();
    run(networks_->recover());
    network_ = networks_->get("lan");
    for (const Replica& replica : replicas_) run(services_->joined(member(replica), replica.netns.get()));
    net::FirewallChange rules = services_->rules();
    ASSERT_EQ(rules.services.size(), 1u);
    EXPECT_THAT(rules.services[0].targets, ElementsAre(std::pair(a.address, uint16_t{80})));
    run(firewall_->start(all_rules()));
    run(networks_->open(true));
    run(services_->begin());
    EXPECT_EQ(connect_often(4), (Counts{{"a", 4}}));
    b.listen();
    wait_for({{"a", 2}, {"b", 2}}, 4);
}

}  // namespace
}  // namespace berth::engine
