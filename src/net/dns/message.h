// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/address.h"

/// DNS messages (RFC 1035 section 4, RFC 6891). Reading is bounded by the packet, writing by the buffer;
/// neither allocates.
namespace berth::net::dns {

using Packet = std::span<const uint8_t>;

constexpr size_t kHeaderSize = 12;
constexpr size_t kMaxNameSize = 255;  ///< on the wire
constexpr size_t kPlainUdpSize = 512;
/// What we say that we take by UDP: fits any path without fragments.
constexpr uint16_t kOwnUdpSize = 1232;

enum Type : uint16_t {
    kA = 1,
    kSoa = 6,
    kPtr = 12,
    kAaaa = 28,
    kSrv = 33,
    kOpt = 41,
    kIxfr = 251,
    kAxfr = 252,
    kAny = 255,
};
constexpr uint16_t kInternet = 1;  ///< the class IN

enum class Rcode : uint8_t {
    ok = 0,
    format_error = 1,
    server_failure = 2,
    no_such_name = 3,
    not_implemented = 4,
    refused = 5,
    bad_version = 16,  ///< the upper bits go into the OPT record
};

/// Bits of the header's second word.
enum Flag : uint16_t {
    kResponse = 0x8000,
    kOpcode = 0x7800,
    kTruncated = 0x0200,
    kRecursionDesired = 0x0100,
    kRecursionAvailable = 0x0080,
    kCheckingDisabled = 0x0010,
    kRcode = 0x000f,
};

inline uint16_t get16(Packet packet, size_t at) {
    return static_cast<uint16_t>(packet[at] << 8 | packet[at + 1]);
}
inline void put16(std::span<uint8_t> packet, size_t at, uint16_t value) {
    packet[at] = static_cast<uint8_t>(value >> 8);
    packet[at + 1] = static_cast<uint8_t>(value);
}

/// A name in lower case, its labels joined by dots: "web.example"; the root is "".
class Name {
  public:
    // Not cleared: one is made for each query.
    Name() {}  // NOLINT(modernize-use-equals-default)
    std::string_view text() const { return {text_.data(), size_}; }
    /// False where a label holds a dot or what can't be printed: then the text is not the name's own.
    bool is_plain() const { return is_plain_; }

  private:
    friend bool read_name(Packet packet, size_t& at, Name* into);
    std::array<char, kMaxNameSize> text_;
    uint8_t size_ = 0;
    bool is_plain_ = true;
};

/// Reads the name at `at`, which moves past it. Pointers only lead back, so there is no loop. False where the
/// name is malformed, too long or cut off; `into` may be null.
bool read_name(Packet packet, size_t& at, Name* into);

/// Whether a text can be written as a name: labels of 1 to 63 bytes, 253 in all.
bool is_name(std::string_view text);

struct Query {
    uint16_t id = 0, flags = 0;
    Name name;
    uint16_t type = 0, klass = 0;
    size_t question_end = 0;  ///< header and question are before it; 0: the question could not be read
    bool has_edns = false;
    bool wants_dnssec = false;          ///< the DO bit
    uint16_t udp_size = kPlainUdpSize;  ///< how much the client takes by UDP
};

/// What the packet asks. ok: `into` is whole. Another code: what to answer with, `into` as far as it was
/// read. What follows the last record is not looked at. Nothing: no query at all (no id, or a response), to
/// be ignored.
std::optional<Rcode> parse_query(Packet packet, Query& into);

/// Whether `answer` is a response to `query` (which parse_query took): same id if `id`, and question,
/// whatever the letters' case.
bool answers(Packet answer, Packet query, size_t question_end, uint16_t id);

/// Writes a response: begin, records in the order of their sections, finish. A record that does not fit is
/// left out whole, and the function says false.
class Writer {
  public:
    /// `limit`: bytes that the response may have; at most the buffer's.
    Writer(std::span<uint8_t> buffer, size_t limit);

    /// Header and question.
    void begin(Packet packet, const Query& query, Rcode code);

    bool answer_address(const IpAddress& address, uint32_t ttl);
    bool answer_pointer(std::string_view target, uint32_t ttl);
    bool answer_service(uint16_t port, std::string_view target, uint32_t ttl);
    /// For answers that say no: how long that holds (RFC 2308).
    bool authority(uint32_t ttl);
    bool additional_address(std::string_view owner, const IpAddress& address, uint32_t ttl);
    void set_truncated();

    /// The response's size.
    size_t finish();

  private:
    enum Section : size_t { kAnswer = 6, kAuthority = 8, kAdditional = 10 };  ///< where they are counted
    bool begin_record(std::string_view owner, Type type, uint32_t ttl);
    bool end_record(Section section, bool fits);
    bool address_record(Section section, std::string_view owner, const IpAddress& address, uint32_t ttl);
    bool room(size_t count) const { return limit_ - at_ >= count; }
    bool write16(uint16_t value);
    bool write32(uint32_t value);
    bool write(Packet bytes);
    bool write_name(std::string_view name, bool compressed);
    bool is_at(size_t offset, std::string_view name) const;
    void note_labels(size_t at);

    std::span<uint8_t> buffer_;
    size_t limit_;
    size_t at_ = 0;
    size_t record_ = 0, data_ = 0;  ///< where the present record and its data begin
    bool has_edns_ = false, wants_dnssec_ = false, has_question_ = false;
    uint8_t upper_code_ = 0;
    /// Names that later ones may point to.
    std::array<uint16_t, 32> names_;
    size_t names_count_ = 0;
};

}  // namespace berth::net::dns
