// SPDX-License-Identifier: Apache-2.0
#include "shim/protocol.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <chrono>

#include "shim/client.h"
#include "shim/exit_record.h"
#include "shim/options.h"
#include "sys/file.h"
#include "tests/fuzz/property.h"

using namespace berth;
using fuzz::require;
using shim::Client;

namespace {

/// A shim that has already said all that it will: a byte before each message (bit 0: with a descriptor, bit
/// 1: too long), and a NUL after it.
UniqueFd talkative_shim(fuzz::Bytes bytes, UniqueFd& theirs) {
    int ends[2];
    sys::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
    UniqueFd ours(ends[0]);
    theirs.reset(ends[1]);
    UniqueFd body(sys::check(::memfd_create("body", MFD_CLOEXEC), "memfd"));
    while (!bytes.empty()) {
        uint8_t flags = bytes.byte();
        std::string text(bytes.text());
        if (text.empty() || text.size() > shim::kMaxMessage) continue;
        if (flags & 2) {
            text.resize(shim::kMaxMessage + 1, ' ');
            (void)::send(theirs.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            continue;
        }
        std::vector<int> fds;
        if (flags & 1) fds.push_back(body.get());
        if (shim::send_message(theirs.get(), text, fds, false) != shim::SendResult::sent) break;
    }
    ::shutdown(theirs.get(), SHUT_WR);
    return ours;
}

void call(Client& client, uint8_t which) {
    switch (which % 12) {
        case 0: client.hello(); break;
        case 1: client.state(); break;
        case 2: client.start(); break;
        case 3: client.kill(9); break;
        case 4: client.exec("e", R"({"args":["true"]})"); break;
        case 5: client.exec_wait("e"); break;
        case 6: client.update(R"({"pids":{"limit":3}})"); break;
        case 7: client.stats(); break;
        case 8: client.pids(); break;
        case 9: client.wait(); break;
        case 10: client.unpark("p", true); break;
        default: client.attach({}); break;
    }
}

void check_client(fuzz::Bytes bytes) {
    uint8_t which = bytes.byte();
    UniqueFd theirs;
    Client client(talkative_shim(bytes, theirs));
    fuzz::succeeds([&] { call(client, which); });
    fuzz::succeeds([&] {
        while (client.next_event(std::chrono::milliseconds(0))) {
        }
    });
}

struct Thrown {
    ErrorKind kind{};
    std::string message;
    int code = 0;
    std::optional<int> exit_code;
    bool operator==(const Thrown&) const = default;
};

Thrown thrown_by(const json::Object& object) {
    try {
        shim::throw_error(object);
    } catch (const shim::ProgramError& error) {
        return {error.kind(), error.what(), error.code(), error.exit_code()};
    } catch (const Error& error) {
        return {error.kind(), error.what(), error.code(), {}};
    }
}

void check_error(const json::Object& object) {
    Thrown thrown = thrown_by(object);
    Error error(thrown.kind, thrown.message, thrown.code);
    json::Object encoded = thrown.exit_code ? shim::encode_error(shim::ProgramError(error, *thrown.exit_code))
                                            : shim::encode_error(error);
    require(thrown_by(encoded) == thrown, "an error survives the wire");
}

void check_files(std::string_view text) {
    fuzz::is_valid([&] {
        shim::ShimOptions options = shim::decode_options(text);
        std::string encoded = shim::encode_options(options);
        require(shim::encode_options(shim::decode_options(encoded)) == encoded,
                "shim.json survives its copy");
        fuzz::is_valid([&] { (void)shim::log_options(options.log, AT_FDCWD); });
    });
    fuzz::is_valid([&] {
        auto record = json::decode_text<shim::ExitRecord>(text);
        json::Object encoded = shim::encode_exit(record);
        require(shim::encode_exit(json::decode<shim::ExitRecord>(encoded)) == encoded,
                "exit.json survives its copy");
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    fuzz::discard_log();
    check_client(fuzz::Bytes(data, size));
    std::string_view text = fuzz::as_text(data, size);
    check_files(text);
    json::Value value;
    if (fuzz::is_valid([&] { value = json::parse(text); }) && value.is_object())
        check_error(value.get_object());
    return 0;
}
