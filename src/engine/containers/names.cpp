// SPDX-License-Identifier: Apache-2.0
#include "engine/containers/names.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace berth::engine {
namespace {

constexpr std::array<std::string_view, 96> kAdjectives = {
    "able",     "agile",    "airy",    "alert",   "amber",  "ample",   "apt",     "astute",  "balmy",
    "bold",     "brave",    "breezy",  "bright",  "brisk",  "calm",    "candid",  "careful", "cheerful",
    "civil",    "clear",    "clever",  "cosy",    "crisp",  "curious", "daring",  "dashing", "deft",
    "devoted",  "diligent", "eager",   "earnest", "easy",   "elated",  "exact",   "fair",    "famous",
    "fearless", "fine",     "fluent",  "fond",    "frank",  "fresh",   "gallant", "gentle",  "glad",
    "golden",   "graceful", "grand",   "handy",   "happy",  "hardy",   "honest",  "humble",  "ideal",
    "jolly",    "joyful",   "keen",    "kind",    "lively", "loyal",   "lucid",   "lucky",   "mellow",
    "merry",    "mighty",   "mindful", "modest",  "neat",   "nimble",  "noble",   "patient", "placid",
    "plucky",   "polite",   "prompt",  "proud",   "quick",  "quiet",   "ready",   "robust",  "serene",
    "sharp",    "shiny",    "silent",  "sincere", "smart",  "smooth",  "snappy",  "sober",   "steady",
    "sunny",    "swift",    "tidy",    "vivid",   "warm",   "witty"};

// Seafarers, and people of navigation, physics, mathematics and computing.
constexpr std::array<std::string_view, 112> kSurnames = {
    "abbe",         "abel",      "amundsen",  "ampere",   "anning",     "arago",      "babbage",  "baffin",
    "banach",       "banks",     "barents",   "beaufort", "bellman",    "bering",     "bessel",   "bohr",
    "boole",        "bowditch",  "boyle",     "brahe",    "cabot",      "cantor",     "cartier",  "cauchy",
    "cavendish",    "celsius",   "chandra",   "church",   "colomb",     "cook",       "curie",    "dalton",
    "darwin",       "davis",     "descartes", "dijkstra", "dirac",      "drake",      "earhart",  "einstein",
    "eratosthenes", "erikson",   "euclid",    "euler",    "faraday",    "fermat",     "fermi",    "flinders",
    "fourier",      "franklin",  "frege",     "galileo",  "galois",     "gauss",      "germain",  "gilbert",
    "godel",        "halley",    "hamilton",  "harrison", "heisenberg", "henson",     "herschel", "hilbert",
    "hooke",        "hopper",    "hubble",    "hudson",   "humboldt",   "huygens",    "joule",    "kelvin",
    "kepler",       "kleene",    "knuth",     "lagrange", "lamport",    "laplace",    "leibniz",  "lovelace",
    "magellan",     "maxwell",   "meitner",   "mendel",   "mercator",   "nansen",     "napier",   "newton",
    "noether",      "ohm",       "pascal",    "pasteur",  "peano",      "planck",     "poincare", "polo",
    "ptolemy",      "ramanujan", "riemann",   "ritchie",  "ross",       "rutherford", "sagan",    "scott",
    "shackleton",   "shannon",   "slocum",    "tesla",    "turing",     "vancouver",  "volta",    "zheng"};

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_valid_container_name(std::string_view name) {
    return name.size() >= 2 && is_alphanumeric(name[0]) && std::ranges::all_of(name, [](char c) {
               return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
           });
}

std::string checked_container_name(std::string_view name) {
    std::string_view bare = name.starts_with('/') ? name.substr(1) : name;
    if (!is_valid_container_name(bare))
        throw make_error(ErrorKind::invalid_argument,
                         "Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
    return std::string(bare);
}

std::string made_up_name(uint64_t random, int attempt) {
    uint64_t adjective = random % kAdjectives.size();
    uint64_t surname = random / kAdjectives.size() % kSurnames.size();
    std::string name = std::string(kAdjectives[adjective]) + '_' + std::string(kSurnames[surname]);
    if (attempt >= 4) name += static_cast<char>('0' + random / 1'000'003 % 10);
    return name;
}

}  // namespace berth::engine
