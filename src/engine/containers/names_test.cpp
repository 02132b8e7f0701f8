// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/names.h"

#include <gmock/gmock.h>

#include <memory>
#include <set>

#include "base/error.h"
#include "engine/containers/lookup.h"

namespace berth::engine {
namespace {

TEST(NamesTest, FollowDockersRule) {
    for (const char* good : {"web", "a1", "A.b_c-d", "0x"})
        EXPECT_TRUE(is_valid_container_name(good)) << good;
    for (const char* bad : {"", "a", "-ab", ".ab", "_ab", "a b", "a/b", "a:b", "ä1"})
        EXPECT_FALSE(is_valid_container_name(bad)) << bad;
}

TEST(NamesTest, ASlashInFrontIsTakenOff) {
    EXPECT_EQ(checked_container_name("/web"), "web");
    try {
        checked_container_name("a b");
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        EXPECT_STREQ(error.what(),
                     "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    }
}

TEST(NamesTest, MadeUpOnesAreValidAndDiffer) {
    std::set<std::string> names;
    for (uint64_t i = 0; i < 10'000; ++i) {
        std::string name = made_up_name(i * 0x9E3779B97F4A7C15U, 0);
        EXPECT_TRUE(is_valid_container_name(name)) << name;
        names.insert(name);
    }
    EXPECT_GT(names.size(), 5'000U);
    EXPECT_THAT(made_up_name(7, 4), testing::MatchesRegex("[a-z]+_[a-z]+[0-9]"));
}

struct Entry {
    struct Record {
        std::string name;
    };
    std::string own_id;
    Record own_record;
    const std::string& id() const { return own_id; }
    const Record& record() const { return own_record; }
};

class LookupTest : public testing::Test {
  protected:
    void add(const std::string& id, const std::string& name) {
        ASSERT_TRUE(index.reserve_name(name, id));
        index.add(std::make_shared<Entry>(Entry{id, {name}}));
    }
    std::string found(std::string_view reference) {
        bool is_ambiguous = false;
        auto entry = index.look_up(reference, is_ambiguous);
        if (is_ambiguous) return "ambiguous";
        return entry ? entry->id() : "none";
    }
    ContainerIndex<Entry> index;
};

TEST_F(LookupTest, ById_ByName_ByPrefix_InThisOrder) {
    add("aaaa1111", "web");
    add("aabb2222", "aaaa1111x");
    add("bbbb3333", "aa");
    EXPECT_EQ(found("aaaa1111"), "aaaa1111");
    EXPECT_EQ(found("web"), "aaaa1111");
    EXPECT_EQ(found("/web"), "aaaa1111");
    EXPECT_EQ(found("aaaa1111x"), "aabb2222");
    EXPECT_EQ(found("aa"), "bbbb3333") << "a name comes before a prefix";
    EXPECT_EQ(found("aab"), "aabb2222");
    EXPECT_EQ(found("a"), "ambiguous");
    EXPECT_EQ(found("c"), "none");
    EXPECT_EQ(found(""), "none");
    EXPECT_EQ(found("aaaa1111ff"), "none");
}

TEST_F(LookupTest, ANameBelongsToOne) {
    add("aaaa", "web");
    EXPECT_FALSE(index.reserve_name("web", "bbbb"));
    EXPECT_EQ(index.holder("web"), "aaaa");
    index.release_name("web", "bbbb");
    EXPECT_EQ(index.holder("web"), "aaaa");
    index.release_name("web", "aaaa");
    EXPECT_TRUE(index.reserve_name("web", "bbbb"));
    EXPECT_EQ(found("web"), "none") << "reserved, and not there yet";
}

}  // namespace
}  // namespace berth::engine
