// SPDX-License-Identifier: Apache-2.0
#include "net/dns/message.h"

#include <algorithm>
#include <cstring>

namespace berth::net::dns {

namespace {

constexpr size_t kMaxLabel = 63;
constexpr uint8_t kPointer = 0xc0;
constexpr size_t kOptSize = 11;
constexpr uint16_t kDnssecOk = 0x8000;

constexpr char lower(uint8_t c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/// Moves past a record; false where the packet ends within.
bool skip_record(Packet packet, size_t& at, uint16_t& type, size_t& fixed) {
    if (!read_name(packet, at, nullptr) || packet.size() - at < 10) return false;
    fixed = at;
    type = get16(packet, at);
    size_t length = get16(packet, at + 8);
    at += 10;
    if (packet.size() - at < length) return false;
    at += length;
    return true;
}

/// The OPT record, wherever it is among the `count` records from `at`.
Rcode read_edns(Packet packet, size_t at, size_t count, Query& into) {
    for (size_t i = 0; i < count; ++i) {
        uint16_t type = 0;
        size_t fixed = 0;
        size_t begin = at;
        if (!skip_record(packet, at, type, fixed)) return Rcode::format_error;
        if (type != kOpt) continue;
        if (into.has_edns || packet[begin] != 0) return Rcode::format_error;  // RFC 6891, 6.1.1
        into.has_edns = true;
        into.udp_size = std::max<uint16_t>(get16(packet, fixed + 2), kPlainUdpSize);
        into.wants_dnssec = (get16(packet, fixed + 6) & kDnssecOk) != 0;
        if (packet[fixed + 5] != 0) return Rcode::bad_version;
    }
    return Rcode::ok;
}

}  // namespace

bool read_name(Packet packet, size_t& at, Name* into) {
    size_t from = at, segment = at;
    size_t size = 0;  // on the wire, without compression
    bool jumped = false;
    if (into != nullptr) {
        into->size_ = 0;
        into->is_plain_ = true;
    }
    while (true) {
        if (from >= packet.size()) return false;
        uint8_t length = packet[from];
        if ((length & kPointer) == kPointer) {
            if (packet.size() - from < 2) return false;
            size_t target = get16(packet, from) & 0x3fff;
            if (target < kHeaderSize || target >= segment) return false;
            if (!jumped) at = from + 2;
            jumped = true;
            from = segment = target;
            continue;
        }
        if (length > kMaxLabel || packet.size() - from <= length) return false;
        size += 1 + length;
        if (size > kMaxNameSize) return false;
        ++from;
        if (length == 0) break;
        if (into != nullptr) {
            char* out = into->text_.data() + into->size_;
            if (into->size_ != 0) *out++ = '.';
            for (size_t i = 0; i < length; ++i) {
                uint8_t c = packet[from + i];
                if (c <= ' ' || c >= 0x7f || c == '.') into->is_plain_ = false;
                *out++ = lower(c);
            }
            into->size_ = static_cast<uint8_t>(out - into->text_.data());
        }
        from += length;
    }
    if (!jumped) at = from;
    return true;
}

bool is_name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > kMaxNameSize - 2) return false;
    for (size_t begin = 0; begin <= text.size();) {
        size_t end = std::min(text.find('.', begin), text.size());
        if (end == begin || end - begin > kMaxLabel) return false;
        begin = end + 1;
    }
    return true;
}

std::optional<Rcode> parse_query(Packet packet, Query& into) {
    if (packet.size() < 2) return std::nullopt;
    into.id = get16(packet, 0);
    into.flags = 0;
    into.question_end = 0;
    into.has_edns = into.wants_dnssec = false;
    into.udp_size = kPlainUdpSize;
    if (packet.size() < 4) return Rcode::format_error;
    into.flags = get16(packet, 2);
    if ((into.flags & kResponse) != 0) return std::nullopt;
    if ((into.flags & kOpcode) != 0) return Rcode::not_implemented;
    if (packet.size() < kHeaderSize || get16(packet, 4) != 1) return Rcode::format_error;
    size_t at = kHeaderSize;
    if (!read_name(packet, at, &into.name) || packet.size() - at < 4) return Rcode::format_error;
    into.type = get16(packet, at);
    into.klass = get16(packet, at + 2);
    at += 4;
    into.question_end = at;
    size_t records = size_t{get16(packet, 6)} + get16(packet, 8) + get16(packet, 10);
    if (records == 0) return Rcode::ok;
    return read_edns(packet, at, records, into);
}

bool answers(Packet answer, Packet query, size_t question_end, uint16_t id) {
    if (answer.size() < kHeaderSize || get16(answer, 0) != id) return false;
    uint16_t flags = get16(answer, 2);
    if ((flags & kResponse) == 0 || (flags & kOpcode) != 0) return false;
    // Servers that can't read the query may leave the question out.
    uint16_t questions = get16(answer, 4);
    if (questions == 0) return (flags & kRcode) != 0;
    if (questions != 1 || answer.size() < question_end) return false;
    // The bytes of a label's length are below 'A', so all of the name can be compared alike.
    size_t name_end = question_end - 4;
    for (size_t i = kHeaderSize; i < name_end; ++i)
        if (lower(answer[i]) != lower(query[i])) return false;
    return std::equal(answer.begin() + name_end, answer.begin() + question_end, query.begin() + name_end);
}

Writer::Writer(std::span<uint8_t> buffer, size_t limit)
    : buffer_(buffer), limit_(std::min(buffer.size(), limit)) {}

void Writer::begin(Packet packet, const Query& query, Rcode code) {
    auto number = static_cast<uint8_t>(code);
    has_edns_ = query.has_edns;
    wants_dnssec_ = query.wants_dnssec;
    upper_code_ = static_cast<uint8_t>(number >> 4);
    if (has_edns_) limit_ -= kOptSize;
    has_question_ = query.question_end != 0;
    at_ = has_question_ ? query.question_end : kHeaderSize;
    if (has_question_) std::memcpy(buffer_.data(), packet.data(), at_);
    constexpr uint16_t kept = kOpcode | kRecursionDesired | kCheckingDisabled;
    put16(buffer_, 0, query.id);
    put16(buffer_, 2,
          static_cast<uint16_t>(kResponse | kRecursionAvailable | (query.flags & kept) | (number & kRcode)));
    put16(buffer_, 4, has_question_ ? 1 : 0);
    std::memset(buffer_.data() + 6, 0, 6);
}

bool Writer::write16(uint16_t value) {
    if (!room(2)) return false;
    put16(buffer_, at_, value);
    at_ += 2;
    return true;
}

bool Writer::write32(uint32_t value) {
    return write16(static_cast<uint16_t>(value >> 16)) && write16(static_cast<uint16_t>(value));
}

bool Writer::write(Packet bytes) {
    if (!room(bytes.size())) return false;
    std::memcpy(buffer_.data() + at_, bytes.data(), bytes.size());
    at_ += bytes.size();
    return true;
}

/// Notes the labels of a whole name for later ones to point to.
void Writer::note_labels(size_t at) {
    for (; buffer_[at] != 0 && (buffer_[at] & kPointer) == 0; at += 1 + buffer_[at])
        if (names_count_ < names_.size() && at < 0x4000) names_[names_count_++] = static_cast<uint16_t>(at);
}

/// Whether the name that was written at `offset` is `name`.
bool Writer::is_at(size_t offset, std::string_view name) const {
    while (true) {
        uint8_t length = buffer_[offset];
        if ((length & kPointer) == kPointer) {
            offset = get16(buffer_, offset) & 0x3fff;
            continue;
        }
        if (length == 0) return name.empty();
        if (name.size() < length) return false;
        for (size_t i = 0; i < length; ++i)
            if (lower(buffer_[offset + 1 + i]) != lower(static_cast<uint8_t>(name[i]))) return false;
        name.remove_prefix(length);
        if (!name.empty()) {
            if (name[0] != '.') return false;
            name.remove_prefix(1);
        }
        offset += 1 + length;
    }
}

bool Writer::write_name(std::string_view name, bool compressed) {
    if (!is_name(name)) return false;
    if (name.ends_with('.')) name.remove_suffix(1);
    if (names_count_ == 0 && has_question_) note_labels(kHeaderSize);
    size_t begin = at_;
    while (!name.empty()) {
        for (size_t i = 0; compressed && i < names_count_; ++i)
            if (is_at(names_[i], name)) {
                bool fits = write16(static_cast<uint16_t>(0xc000 | names_[i]));
                if (fits) note_labels(begin);
                return fits;
            }
        size_t length = std::min(name.find('.'), name.size());
        if (!room(1 + length)) return false;
        buffer_[at_++] = static_cast<uint8_t>(length);
        std::memcpy(buffer_.data() + at_, name.data(), length);
        at_ += length;
        name.remove_prefix(std::min(length + 1, name.size()));
    }
    if (!room(1)) return false;
    buffer_[at_++] = 0;
    note_labels(begin);
    return true;
}

/// `owner` empty: the question's name.
bool Writer::begin_record(std::string_view owner, Type type, uint32_t ttl) {
    record_ = at_;
    bool fits = owner.empty() ? write16(0xc000 | kHeaderSize) : write_name(owner, true);
    fits = fits && write16(type) && write16(kInternet) && write32(ttl) && write16(0);
    data_ = at_;
    return fits;
}

bool Writer::end_record(Section section, bool fits) {
    if (!fits) {
        at_ = record_;
        while (names_count_ != 0 && names_[names_count_ - 1] >= at_) --names_count_;
        return false;
    }
    put16(buffer_, data_ - 2, static_cast<uint16_t>(at_ - data_));
    put16(buffer_, section, static_cast<uint16_t>(get16(buffer_, section) + 1));
    return true;
}

bool Writer::address_record(Section section, std::string_view owner, const IpAddress& address, uint32_t ttl) {
    bool fits = begin_record(owner, address.is_v4() ? kA : kAaaa, ttl);
    fits = fits && write(Packet(address.bytes).first(address.is_v4() ? 4 : 16));
    return end_record(section, fits);
}

bool Writer::answer_address(const IpAddress& address, uint32_t ttl) {
    return address_record(kAnswer, "", address, ttl);
}

bool Writer::additional_address(std::string_view owner, const IpAddress& address, uint32_t ttl) {
    return address_record(kAdditional, owner, address, ttl);
}

bool Writer::answer_pointer(std::string_view target, uint32_t ttl) {
    return end_record(kAnswer, begin_record("", kPtr, ttl) && write_name(target, true));
}

bool Writer::answer_service(uint16_t port, std::string_view target, uint32_t ttl) {
    // Priority, weight. RFC 2782: the target is not compressed.
    bool fits = begin_record("", kSrv, ttl) && write16(0) && write16(0) && write16(port);
    return end_record(kAnswer, fits && write_name(target, false));
}

bool Writer::authority(uint32_t ttl) {
    // The name is its own zone; nobody looks at the rest but the last number, how long "no" holds.
    constexpr uint8_t root[] = {0};
    bool fits = begin_record("", kSoa, ttl) && write16(0xc000 | kHeaderSize) && write(root);
    for (uint32_t number : {uint32_t{1}, ttl, ttl, ttl, ttl}) fits = fits && write32(number);
    return end_record(kAuthority, fits);
}

void Writer::set_truncated() {
    put16(buffer_, 2, get16(buffer_, 2) | kTruncated);
}

size_t Writer::finish() {
    if (!has_edns_) return at_;
    limit_ += kOptSize;
    uint8_t opt[kOptSize] = {0,
                             0,
                             kOpt,
                             kOwnUdpSize >> 8,
                             kOwnUdpSize & 0xff,
                             upper_code_,
                             0,
                             uint8_t(wants_dnssec_ ? kDnssecOk >> 8 : 0),
                             0,
                             0,
                             0};
    write(opt);
    put16(buffer_, kAdditional, static_cast<uint16_t>(get16(buffer_, kAdditional) + 1));
    has_edns_ = false;
    return at_;
}

}  // namespace berth::net::dns
