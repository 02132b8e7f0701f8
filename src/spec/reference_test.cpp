// SPDX-License-Identifier: Apache-2.0
#include "spec/reference.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace berth::spec {
namespace {

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

std::string problem_of(std::string_view text) {
    try {
        return "accepted as " + Reference::parse(text).text();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.what();
    }
}

TEST(Reference, ExpandsShortNames) {
    struct Case {
        std::string_view text, domain, path, familiar;
    };
    const Case cases[] = {
        {"nginx", "docker.io", "library/nginx", "nginx"},
        {"library/nginx", "docker.io", "library/nginx", "nginx"},
        {"docker.io/nginx", "docker.io", "library/nginx", "nginx"},
        {"docker.io/library/nginx", "docker.io", "library/nginx", "nginx"},
        {"index.docker.io/nginx", "docker.io", "library/nginx", "nginx"},
        {"index.docker.io/a/b", "docker.io", "a/b", "a/b"},
        {"a/b", "docker.io", "a/b", "a/b"},
        {"library/a/b", "docker.io", "library/a/b", "library/a/b"},
        {"localhost", "docker.io", "library/localhost", "localhost"},
        {"localhost/x", "localhost", "x", "localhost/x"},
        {"localhost:5000/x", "localhost:5000", "x", "localhost:5000/x"},
        {"127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "127.0.0.1:5000/a/b/c"},
        {"[::1]:5000/x", "[::1]:5000", "x", "[::1]:5000/x"},
        {"[fe80::1]/x", "[fe80::1]", "x", "[fe80::1]/x"},
        {"ghcr.io/a/b", "ghcr.io", "a/b", "ghcr.io/a/b"},
        {"Registry/x", "Registry", "x", "Registry/x"},
        {"foo/bar.baz__x-y---z/1", "docker.io", "foo/bar.baz__x-y---z/1", "foo/bar.baz__x-y---z/1"},
        {"a.b", "docker.io", "library/a.b", "a.b"},
        {"x1-y.com:0/z", "x1-y.com:0", "z", "x1-y.com:0/z"},
        // What reads as a registry keeps the hub before it.
        {"docker.io/localhost/x", "docker.io", "localhost/x", "docker.io/localhost/x"},
        {"docker.io/a.b/x", "docker.io", "a.b/x", "docker.io/a.b/x"},
    };
    for (const Case& c : cases) {
        SCOPED_TRACE(c.text);
        Reference reference = Reference::parse(c.text);
        EXPECT_EQ(reference.domain(), c.domain);
        EXPECT_EQ(reference.path(), c.path);
        EXPECT_EQ(reference.tag(), std::nullopt);
        EXPECT_EQ(reference.digest(), std::nullopt);
        EXPECT_EQ(reference.familiar_name(), c.familiar);
        EXPECT_EQ(reference.familiar(), c.familiar);
    }
}

TEST(Reference, TagsAndDigests) {
    Reference reference = Reference::parse("localhost:5000/a/b:v1.0-x_Y");
    EXPECT_EQ(reference.tag(), "v1.0-x_Y");
    EXPECT_EQ(reference.text(), "localhost:5000/a/b:v1.0-x_Y");
    reference = Reference::parse("nginx:1@" + kDigest);
    EXPECT_EQ(reference.tag(), "1");
    EXPECT_EQ(reference.digest()->text(), kDigest);
    EXPECT_EQ(reference.text(), "docker.io/library/nginx:1@" + kDigest);
    EXPECT_EQ(reference.familiar(), "nginx:1@" + kDigest);
    EXPECT_EQ(Reference::parse("a/b@" + kDigest).text(), "docker.io/a/b@" + kDigest);
    EXPECT_EQ(Reference::parse("a:" + std::string(128, 'x')).tag(), std::string(128, 'x'));
    // 64 digits are an id; a path or a tag of them is none.
    EXPECT_EQ(Reference::parse(kHex + ":1").path(), "library/" + kHex);
    EXPECT_EQ(Reference::parse(kHex + ":1").familiar_name(), "library/" + kHex);
    EXPECT_EQ(Reference::parse("a/" + kHex).path(), "a/" + kHex);
}

TEST(Reference, Variants) {
    Reference plain = Reference::parse("nginx");
    EXPECT_EQ(plain.with_default_tag().familiar(), "nginx:latest");
    EXPECT_EQ(plain.with_tag("1").with_default_tag().familiar(), "nginx:1");
    EXPECT_EQ(plain.with_digest(Digest::parse(kDigest)).with_default_tag().familiar(), "nginx@" + kDigest);
    EXPECT_EQ(Reference::parse("nginx:1").with_digest(Digest::parse(kDigest)).familiar(), "nginx@" + kDigest);
    EXPECT_EQ(Reference::parse("nginx@" + kDigest).with_tag("2").familiar(), "nginx:2");
    EXPECT_THROW(plain.with_tag(".x"), Error);
    EXPECT_THROW(plain.with_tag(""), Error);
    EXPECT_EQ(plain, Reference::parse("docker.io/library/nginx"));
    EXPECT_LT(plain, plain.with_default_tag());
}

TEST(Reference, SaysWhatIsWrong) {
    for (std::string_view text : {"",
                                  "/",
                                  "a/",
                                  "/a",
                                  "a//b",
                                  "a:",
                                  ":a",
                                  "a@",
                                  "@",
                                  "a:b:c",
                                  "a b",
                                  "a\n",
                                  "-a",
                                  "a-",
                                  "a..b",
                                  "a___b",
                                  "a._b",
                                  "a/_b",
                                  "a.b-/c",
                                  "-a.b/c",
                                  "a.b:/c",
                                  "a.b:x/c",
                                  "a_b.c/d",
                                  "[::1/x",
                                  "[]/x",
                                  "[::g]/x",
                                  "[::1]5000/x",
                                  "http://a/b",
                                  "docker.io/",
                                  "localhost:5000/",
                                  "a@sha256:abc",
                                  "a@sha256",
                                  "a:1@",
                                  "a:.x",
                                  "a:-x",
                                  "sha256:",
                                  "\xc3\xa9"})
        EXPECT_EQ(problem_of(text), "invalid reference format") << text;
    EXPECT_EQ(problem_of("a:" + std::string(129, 'x')), "invalid reference format");
    EXPECT_EQ(problem_of("Foo"), "invalid reference format: repository name (library/Foo) must be lowercase");
    EXPECT_EQ(problem_of("Foo:Bar"),
              "invalid reference format: repository name (library/Foo) must be lowercase");
    EXPECT_EQ(problem_of("a/Foo"), "invalid reference format: repository name (a/Foo) must be lowercase");
    EXPECT_EQ(problem_of("x.y/Foo/b:1"),
              "invalid reference format: repository name (Foo/b) must be lowercase");
    EXPECT_EQ(problem_of("A/B"), "invalid reference format: repository name (B) must be lowercase");
    EXPECT_EQ(problem_of(kHex),
              "invalid repository name (" + kHex + "), cannot specify 64-byte hexadecimal strings");
    EXPECT_EQ(problem_of("a@sha256:" + std::string(40, 'a')),
              "invalid digest \"sha256:" + std::string(40, 'a') + "\": invalid checksum digest length");
    EXPECT_EQ(problem_of("a@sha384:" + std::string(96, 'a')),
              "invalid digest \"sha384:" + std::string(96, 'a') + "\": unsupported digest algorithm");
    EXPECT_EQ(problem_of("a@sha256:" + std::string(64, 'A')),
              "invalid digest \"sha256:" + std::string(64, 'A') + "\": invalid checksum digest format");
}

TEST(Reference, Length) {
    std::string longest = "x/" + std::string(253, 'a');
    EXPECT_EQ(Reference::parse(longest).path(), longest);
    EXPECT_EQ(Reference::parse("registry.example.com/" + longest).path(), longest);
    constexpr std::string_view kTooLong = "repository name must not be more than 255 characters";
    EXPECT_EQ(problem_of(longest + "a"), kTooLong);
    EXPECT_EQ(problem_of(std::string(248, 'a')), kTooLong);  // with library/
    EXPECT_EQ(Reference::parse(std::string(247, 'a')).path().size(), 255u);
}

TEST(Reference, PartsOnTheirOwn) {
    EXPECT_TRUE(is_valid_tag("_1.2-3"));
    EXPECT_FALSE(is_valid_tag("a/b"));
    EXPECT_FALSE(is_valid_tag(std::string(129, 'a')));
    EXPECT_TRUE(is_valid_repository("library/nginx"));
    EXPECT_TRUE(is_valid_repository("a"));
    for (std::string_view path : {"", "/a", "a/", "A", "a/../b", "a:b", ".", "..", "_a", "a%2fb"})
        EXPECT_FALSE(is_valid_repository(path)) << path;
    EXPECT_FALSE(is_valid_repository(std::string(256, 'a')));
}

/// Makes texts of the grammar.
class Grammar {
  public:
    explicit Grammar(unsigned seed) : random_(seed) {}

    std::string reference() {
        std::string text = path();
        // "a_b.c/d" would be read as a registry, and is none.
        if (chance(2) || text.substr(0, text.find('/')).find('.') != std::string::npos)
            text = domain() + '/' + text;
        if (chance(2)) text += ':' + run("abzABZ019_", 1, 1) + run("abzABZ019_.-", 0, 20);
        if (chance(3)) text += "@sha256:" + run("0123456789abcdef", 64, 64);
        return text;
    }

    /// Some bytes taken out, put in or replaced.
    std::string mutate(std::string text) {
        for (int i = number(1, 4); i > 0; --i) {
            size_t at = static_cast<size_t>(number(0, static_cast<int>(text.size())));
            std::string piece = run("ab./:@_-[]A9\0 \xff", 0, 2);
            text.replace(at, static_cast<size_t>(number(0, 2)), piece);
        }
        return text;
    }

  private:
    int number(int low, int high) { return std::uniform_int_distribution(low, high)(random_); }
    bool chance(int in) { return number(1, in) == 1; }
    std::string run(std::string_view alphabet, int low, int high) {
        std::string text;
        for (int i = number(low, high); i > 0; --i)
            text += alphabet[static_cast<size_t>(number(0, static_cast<int>(alphabet.size()) - 1))];
        return text;
    }
    std::string one_of(std::initializer_list<const char*> list) {
        return *(list.begin() + number(0, static_cast<int>(list.size()) - 1));
    }
    std::string domain() {
        std::string host = one_of({"localhost", "docker.io", "index.docker.io", "[::1]", "[fe80::ff]",
                                   "127.0.0.1", "Upper", "x-1.example.com"});
        if (chance(3)) host = run("abzAZ019", 1, 5) + '.' + run("abzAZ019", 1, 5);
        if (chance(3)) host += ':' + run("0123456789", 1, 5);
        return host;
    }
    std::string path() {
        std::string text;
        for (int parts = number(1, 4); parts > 0; --parts) {
            if (!text.empty()) text += '/';
            text += run("abz019", 1, 4);
            for (int i = number(0, 3); i > 0; --i)
                text += one_of({".", "_", "__", "-", "--", "-----"}) + run("abz019", 1, 4);
        }
        return text;
    }
    std::mt19937 random_;
};

TEST(Reference, WhatTheGrammarMakesSurvives) {
    Grammar grammar(1);
    for (int i = 0; i < 20'000; ++i) {
        std::string text = grammar.reference();
        SCOPED_TRACE(text);
        Reference reference = Reference::parse(text);
        ASSERT_EQ(Reference::parse(reference.text()), reference);
        ASSERT_EQ(Reference::parse(reference.familiar()), reference);
        ASSERT_EQ(Reference::parse(reference.text()).text(), reference.text());
        ASSERT_TRUE(is_valid_repository(reference.path()));
        ASSERT_TRUE(reference.text().ends_with(text.substr(text.rfind('/') + 1)));
    }
}

TEST(Reference, WhatIsNearlyOneIsRefusedOrCanonical) {
    Grammar grammar(2);
    int accepted = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text = grammar.mutate(grammar.reference());
        SCOPED_TRACE(text);
        std::optional<Reference> reference = Reference::try_parse(text);
        if (!reference) continue;
        ++accepted;
        ASSERT_EQ(Reference::parse(reference->text()), *reference);
        ASSERT_EQ(Reference::parse(reference->familiar()), *reference);
        ASSERT_TRUE(is_valid_repository(reference->path()));
        if (reference->tag()) {
            ASSERT_TRUE(is_valid_tag(*reference->tag()));
        }
    }
    EXPECT_GT(accepted, 1000);
    EXPECT_LT(accepted, 15'000);
}

}  // namespace
}  // namespace berth::spec
