// SPDX-License-Identifier: Apache-2.0
#include "cli/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/session.h"

namespace berth::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

int asked = 0;

std::vector<std::string> known(Words kind) {
    ++asked;
    if (kind == Words::containers) return {"web", "database"};
    if (kind == Words::running_containers) return {"web"};
    if (kind == Words::images) return {"nginx:1.25", "busybox:latest"};
    if (kind == Words::networks) return {"bridge", "backend"};
    return {"data", "cache"};
}

std::string advice(std::string_view message) {
    return advice_for(message, "berth", known);
}

std::string daemon(std::string_view message) {
    return advice("Error response from daemon: " + std::string(message));
}

TEST(Advice, NamesTheContainerThatHasThePort) {
    constexpr std::string_view kHead =
        "berth: Error response from daemon: failed to set up container networking: driver failed programming "
        "external connectivity on endpoint ";
    constexpr std::string_view kTail = "\n\nRun 'berth run --help' for more information";
    std::string text =
        advice(std::string(kHead) +
               "other (0123456789ab): Bind for 0.0.0.0:8080 failed: port is already allocated (by "
               "container web, ea8d6c62d276)" +
               std::string(kTail));
    EXPECT_EQ(text,
              "Port 8080 belongs to container web. Free it with: berth stop web\n"
              "Or publish another port of the host: -p PORT:…\n");
    // dockerd does not tell whose it is. The container is there, although it did not start.
    text = advice(std::string(kHead) + "database (01): Bind for [::]:53 failed: port is already allocated");
    EXPECT_THAT(text, HasSubstr("berth ps --filter publish=53\n"));
    EXPECT_THAT(text,
                HasSubstr("Container database is there, but not running: berth start database, or berth rm "
                          "database\n"));
    text = advice(std::string(kHead) +
                  "x (01): failed to bind host port 0.0.0.0:8081/tcp: address already in use");
    EXPECT_THAT(text, HasSubstr("A program of this host has port 8081."));
    EXPECT_THAT(text, HasSubstr("ss -ltunp 'sport = :8081'\n"));
}

TEST(Advice, FindsTheNameThatWasMeant) {
    EXPECT_EQ(daemon("No such container: wbe"), "Did you mean 'web'?\n");
    EXPECT_EQ(daemon("No such container: something"), "See what there is: berth ps -a\n");
    EXPECT_EQ(daemon("No such image: busybx:latest"), "Did you mean 'busybox:latest'?\n");
    EXPECT_EQ(daemon("No such image: redis:7"),
              "See what there is: berth images. Get it: berth pull redis:7\n");
    EXPECT_EQ(daemon("network bakend not found"), "Did you mean 'backend'?\n");
    EXPECT_EQ(daemon("failed to set up container networking: network none-such not found"),
              "See what there is: berth network ls\n");
    EXPECT_EQ(daemon("get dta: no such volume"), "Did you mean 'data'?\n");
    EXPECT_EQ(advice("Error: No such object: ngnix:1.25"), "Did you mean 'nginx:1.25'?\n");
    EXPECT_THAT(advice("Error: No such object: something"), IsEmpty());
    EXPECT_EQ(
        daemon("pulling bussybox:latest: Get \"https://hub/v2/\": dial tcp: lookup hub: Temporary failure in "
               "name resolution"),
        "Did you mean 'busybox:latest', which is here?\n"
        "This host can't find the registry hub. Try: getent hosts hub\n");
}

TEST(Advice, TellsWhatToTypeNext) {
    EXPECT_EQ(
        daemon("Conflict. The container name \"/web\" is already in use by container \"ea8d\". You have to "
               "remove (or rename) that container to be able to reuse that name."),
        "Use that one:    berth exec -it web COMMAND\n"
        "Remove it:       berth rm -f web\n"
        "Or take another: --name NAME\n");
    EXPECT_EQ(daemon("Conflict. The container name \"/database\" is already in use by container \"ea8d\"."),
              "Start that one:  berth start database\n"
              "Remove it:       berth rm -f database\n"
              "Or take another: --name NAME\n");
    EXPECT_EQ(
        daemon(
            "cannot remove container \"/web\": container is running: stop the container before removing or "
            "force remove"),
        "Stop it first: berth stop web\nOr kill it:    berth rm -f web\n");
    EXPECT_EQ(daemon("container ea8d6c62d276ea8601 is not running"), "Start it: berth start ea8d6c62d276\n");
    EXPECT_THAT(daemon("cannot kill container: web: container ea8d6c62d276ea8601 is not running"), IsEmpty());
    EXPECT_EQ(
        daemon("conflict: unable to remove repository reference \"busybox\" (must force) - container ea8d is "
               "using its referenced image f6b1"),
        "Remove the container first: berth rm -f ea8d\n");
    EXPECT_EQ(daemon("remove data: volume is in use - [ea8d]"),
              "See who uses it: berth ps -a --filter volume=data\n");
    EXPECT_THAT(daemon("error while removing network: network backend has active endpoints (name:\"web\" "
                       "id:\"ea8d\")"),
                HasSubstr("berth network disconnect backend CONTAINER\n"));
    EXPECT_THAT(daemon("write /x: no space left on device"), HasSubstr("berth system prune\n"));
}

TEST(Advice, AsksForNothingWhereItHasNone) {
    asked = 0;
    for (std::string_view message :
         {"", "\n\n", "own status", "Error response from daemon: something else",
          "network of not found things", "No such container: ", "Bind for  failed: port is already allocated",
          "container  is not running"})
        EXPECT_THAT(advice(message), IsEmpty()) << message;
    EXPECT_EQ(asked, 0);
}

TEST(Advice, ComesOnceForEachOfSeveralLines) {
    EXPECT_EQ(advice("Error response from daemon: No such container: wbe\n"
                     "Error response from daemon: No such container: webb\n"
                     "Error response from daemon: No such container: databas"),
              "Did you mean 'web'?\nDid you mean 'database'?\n");
}

TEST(Advice, OfADaemonThatIsNotThere) {
    Flags flags;
    flags.add_table(global_flags());
    std::vector<std::string> words{"-H", "unix:///nowhere/berth.sock"}, rest;
    parse_flags(flags, words, true, rest);
    Session session("berth", flags);
    std::string text = advice_for(
        "berth: Cannot connect to the Docker daemon at unix:///nowhere/berth.sock. Is the docker daemon "
        "running?\n\nRun 'berth run --help' for more information",
        session);
    EXPECT_THAT(text, HasSubstr("berth daemon -H unix:///nowhere/berth.sock\n"));
    EXPECT_THAT(text, HasSubstr("berth doctor\n"));
    EXPECT_THAT(text, Not(HasSubstr("systemctl")));
}

}  // namespace
}  // namespace berth::cli
