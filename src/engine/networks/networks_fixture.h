// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/strings.h"
#include "engine/networks/networks.h"
#include "engine/networks/networks_state.h"
#include "engine/state/state_db.h"
#include "engine/system/events.h"
#include "net/link.h"
#include "sys/file.h"

namespace berth::engine {
/// Networks of a daemon whose bridges and rules are really made, in a network namespace of the test's own.
class NetworksTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { has_namespace = ::geteuid() == 0 && ::unshare(CLONE_NEWNET) == 0; }

    void SetUp() override {
        if (!has_namespace) GTEST_SKIP() << "a network namespace of its own needs root";
        char name[] = "/tmp/berth-networks-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        folder = name;
        config.data_root = folder + "/data";
        config.exec_root = folder + "/exec";
        sys::make_dirs(config.data_root, 0700);
        sys::make_dirs(config.exec_root, 0700);
        open();
    }
    void TearDown() override {
        if (folder.empty()) return;
        close();
        for (const net::LinkInfo& link : net::list_links())
            if (link.name != "lo") net::remove_link(link.name);
        sys::remove_tree_at(AT_FDCWD, folder);
    }
    void open() {
        context = std::make_unique<async::Context>();
        database = std::make_unique<StateDb>(*context, config.data_root + "/engine.db");
        events = std::make_unique<Events>(*context, *database);
        net::Firewall::Options options;
        options.tag = machine_tag(config);
        options.enable4 = config.network.iptables;
        firewall = std::make_unique<net::Firewall>(*context, std::move(options));
        networks = std::make_unique<Networks>(
            Networks::Dependencies{*context, config, *database, *events, *firewall});
        run(networks->recover());
        run(firewall->start(networks->rules()));
        run(networks->open(true));
    }
    static std::string setting(const std::string& path) {
        return std::string(trim(sys::read_file("/proc/sys/net/" + path)));
    }
    void close() {
        if (firewall) run(firewall->stop(true));
        networks.reset();
        firewall.reset();
        events.reset();
        database.reset();
        context.reset();
    }
    void reopen() {
        close();
        open();
    }
    template <typename T>
    T run(async::Task<T> task) {
        return context->block_on(std::move(task));
    }

    static spec::api::NetworkCreateRequest request(const std::string& name, const std::string& subnet = "") {
        spec::api::NetworkCreateRequest made;
        made.Name = name;
        if (subnet.empty()) return made;
        spec::api::IpamPool pool;
        pool.Subnet = subnet;
        made.IPAM.emplace();
        made.IPAM->Config = {std::move(pool)};
        return made;
    }
    std::shared_ptr<const NetworkRecord> create(spec::api::NetworkCreateRequest made) {
        std::string name = made.Name;
        run(networks->create(std::move(made)));
        return networks->get(name);
    }
    template <typename Body>
    std::string refusal(Body body, ErrorKind kind) {
        try {
            body();
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), kind) << error.what();
            return error.what();
        }
        ADD_FAILURE() << "it was taken";
        return "";
    }
    std::string alias() const { return "berth-" + machine_tag(config); }
    std::vector<std::string> names(const std::string& filters = "") const {
        std::vector<std::string> list;
        for (const spec::api::Network& network : networks->list(spec::api::Filters::parse(filters)))
            list.push_back(network.Name);
        return list;
    }
    static std::vector<std::string> addresses(const std::string& interface) {
        std::vector<std::string> list;
        for (const net::Prefix& address : net::addresses_of(interface))
            if (!address.address.is_link_local()) list.push_back(address.text());
        std::ranges::sort(list);
        return list;
    }
    std::vector<std::string> actions() const {
        std::vector<std::string> list;
        for (const auto& event : events->past(std::nullopt, std::nullopt))
            if (event->type == "network") list.push_back(event->action);
        return list;
    }
    static NetworkMember member(const std::string& container) {
        NetworkMember made;
        made.container_id = container;
        made.container_name = "name-" + container;
        made.endpoint_id = "e" + container;
        return made;
    }

    static inline bool has_namespace = false;
    std::string folder;
    DaemonConfig config;
    std::unique_ptr<async::Context> context;
    std::unique_ptr<StateDb> database;
    std::unique_ptr<Events> events;
    std::unique_ptr<net::Firewall> firewall;
    std::unique_ptr<Networks> networks;
};

}  // namespace berth::engine
